import signal

import pytest

from train.machine import stop_signal
from train.machine.stop_signal import StoppedWaiting, StopSignal


@pytest.fixture
def stop():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    installed = StopSignal()
    installed.install()
    yield installed
    for number, handler in before.items():
        signal.signal(number, handler)


def test_one_signal_that_comes_twice_is_one(stop):
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
    assert stop.requested


def test_a_second_signal_has_its_usual_effect(stop, monkeypatch):
    signal.raise_signal(signal.SIGINT)
    monkeypatch.setattr(stop_signal, "_ONE_SIGNAL_SECONDS", -1.0)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_wait_ends_once(stop):
    with pytest.raises(StoppedWaiting), stop.waiting():
        signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(StoppedWaiting), stop.waiting():
        raise AssertionError
