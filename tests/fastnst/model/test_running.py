"""Work that a signal, another thread or a time limit ends, though ONNX Runtime alone would go on for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from fastnst import Cancellation, Cancelled, FastnstError, Painter, Stylizer
from fastnst.model import running, session
from fastnst.model.running import TimeLimitError, run_until_stopped, time_limit
from fastnst.probe import model_probe
from tests.fastnst import tiny_models
from tests.fastnst.make_images import pixels


@pytest.fixture
def endless(tmp_path: Path) -> Stylizer:
    """A style of fastnst's own contract, which is opened without a trial and never ends."""
    return Stylizer(tiny_models.endless(tmp_path / "endless.onnx"), device="cpu", threads=1)


def test_the_trial_of_a_model_that_never_ends_has_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_probe, "_SECONDS", 0.3)
    path = tiny_models.endless_float(tmp_path / "endless.onnx")
    with pytest.raises(
        FastnstError, match=r"endless\.onnx: the model takes more than 0 s for small pictures"
    ):
        Stylizer(path, device="cpu")


def test_loading_a_model_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file is small, but ONNX Runtime computes what is constant when it loads it."""
    monkeypatch.setattr(session, "_LOAD_SECONDS", 0.05)
    monkeypatch.setattr(running, "_GRACE", 0.05)
    with pytest.raises(FastnstError, match=r"slow\.onnx: the model takes more than 0\.05 s to load"):
        Stylizer(tiny_models.slow_constant(tmp_path / "slow.onnx", 2500), device="cpu", threads=1)


def test_another_thread_cancels_a_picture(endless: Stylizer) -> None:
    for paint in (endless, Painter(endless)):
        cancellation = Cancellation()
        timer = threading.Timer(0.2, cancellation.cancel)
        timer.start()
        with cancellation, pytest.raises(Cancelled):
            paint(pixels(8, 9))
        assert cancellation.cancelled
        timer.join()


def test_what_is_cancelled_is_not_begun(models: Path) -> None:
    stylizer = Stylizer(models / "invert.onnx", device="cpu")
    image = pixels(8, 9)
    cancellation = Cancellation()
    cancellation.cancel()
    with cancellation, pytest.raises(Cancelled):
        stylizer(image)
    with cancellation, pytest.raises(Cancelled):
        Stylizer(models / "invert.onnx", device="cpu")
    np.testing.assert_array_equal(stylizer(image), 255 - image)


def test_one_cancellation_ends_all_threads_inside_and_no_other(endless: Stylizer, models: Path) -> None:
    invert = Stylizer(models / "invert.onnx", device="cpu", threads=1)
    ours, theirs = Cancellation(), Cancellation()
    begun = threading.Barrier(4)

    def paint(cancellation: Cancellation, stylizer: Stylizer) -> object:
        with cancellation:
            begun.wait(60)
            try:
                return stylizer(pixels(8, 9))
            except Cancelled:
                return "cancelled"

    with ThreadPoolExecutor(3) as pool:
        ended = [pool.submit(paint, ours, endless), pool.submit(paint, ours, endless)]
        other = pool.submit(paint, theirs, invert)
        begun.wait(60)
        time.sleep(0.1)
        ours.cancel()
        assert [future.result(60) for future in ended] == ["cancelled"] * 2
        np.testing.assert_array_equal(other.result(60), 255 - pixels(8, 9))


def test_the_session_goes_on_after_a_cancellation(tmp_path: Path) -> None:
    """A model that ends for dark pictures alone."""
    stylizer = Stylizer(tiny_models.endless(tmp_path / "m.onnx", while_above=10), device="cpu", threads=1)
    cancellation = Cancellation()
    threading.Timer(0.2, cancellation.cancel).start()
    with cancellation, pytest.raises(Cancelled):
        stylizer(np.full((4, 5, 3), 200, np.uint8))
    dark = np.full((4, 5, 3), 3, np.uint8)
    np.testing.assert_array_equal(stylizer(dark), dark)


def test_the_inner_of_two_limits_counts() -> None:
    stopped = threading.Event()

    def work() -> None:
        assert stopped.wait(60)
        raise RuntimeError("terminated")

    with (
        time_limit(60, "the outer"),
        pytest.raises(TimeLimitError, match="the inner"),
        time_limit(0.05, "the inner"),
    ):
        run_until_stopped(work, stopped.set)
    with time_limit(60, "never"):
        assert run_until_stopped(lambda: 5, lambda: None) == 5


def test_work_that_does_not_stop_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_GRACE", 0.05)
    release = threading.Event()
    with pytest.raises(TimeLimitError), time_limit(0.05, "too slow"):
        run_until_stopped(lambda: release.wait(60), lambda: None)
    release.set()


def test_what_the_work_raises_arrives_and_holds_nothing() -> None:
    class Large:
        pass

    def work(held: Large) -> None:
        raise KeyError(held.__class__.__name__)

    with pytest.raises(KeyError, match="Large"):
        run_until_stopped(lambda: work(Large()), lambda: None)


PAINT = """
import sys, numpy as np
from fastnst import Stylizer
stylizer = Stylizer(sys.argv[1], device="cpu", threads=1)
print("painting", flush=True)
stylizer(np.full((40, 50, 3), 200, np.uint8))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no signals there")
@pytest.mark.parametrize("arguments", [["-c", PAINT], ["-m", "fastnst", "stylize", "--device", "cpu", "-m"]])
def test_one_signal_ends_a_process_that_paints(tmp_path: Path, photo: Path, arguments: list[str]) -> None:
    path = tiny_models.endless(tmp_path / "endless.onnx")
    given = [*arguments, str(path)] + ([] if "-c" in arguments else [str(photo)])
    with subprocess.Popen(
        [sys.executable, *given],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        if "-c" in arguments:
            assert process.stdout.readline() == b"painting\n"
        time.sleep(1.5)  # a command says nothing before its first result
        assert process.poll() is None, process.stderr.read()
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        finally:
            process.kill()
        assert process.returncode in (130, -signal.SIGINT)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["endless.onnx", "photo.png"]
