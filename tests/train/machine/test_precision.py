import pytest
import torch

from fastnst.errors import FastnstError
from train.machine import precision
from train.machine.precision import resolve_accelerator, resolve_precision


@pytest.fixture
def devices(monkeypatch):
    def set_devices(*, cuda=False, mps=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return set_devices


@pytest.mark.parametrize(
    ("there", "asked", "expected"),
    [
        ({}, "auto", "cpu"),
        ({}, "cpu", "cpu"),
        ({"cuda": True}, "auto", "cuda"),
        ({"cuda": True}, "gpu", "cuda"),
        ({"cuda": True}, "cuda", "cuda"),
        ({"cuda": True}, "cpu", "cpu"),
        ({"mps": True}, "auto", "mps"),
        ({"mps": True}, "gpu", "mps"),
        ({"mps": True}, "mps", "mps"),
    ],
)
def test_the_best_device_at_hand_is_taken(devices, there, asked, expected):
    devices(**there)
    assert resolve_accelerator(asked) == expected


@pytest.mark.parametrize(
    ("there", "asked"), [({}, "gpu"), ({}, "cuda"), ({"cuda": True}, "mps"), ({"mps": True}, "cuda")]
)
def test_a_device_that_is_not_there_is_an_error(devices, there, asked):
    devices(**there)
    with pytest.raises(FastnstError, match=f"no device for --accelerator {asked}"):
        resolve_accelerator(asked)


def test_unknown_names_are_told_with_those_that_exist(devices):
    devices()
    with pytest.raises(FastnstError, match="'tpu' is none of auto, cpu, cuda, gpu, mps"):
        resolve_accelerator("tpu")
    with pytest.raises(FastnstError, match="'half' is none of auto, 16-mixed, bf16-mixed"):
        resolve_precision("half", "cpu")


@pytest.mark.parametrize(("has_bf16", "expected"), [(True, "bf16-mixed"), (False, "16-mixed")])
def test_gpus_use_bfloat16_where_they_have_it_in_hardware(monkeypatch, has_bf16, expected):
    def supported(including_emulation=True):
        return has_bf16 or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert resolve_precision("auto", "cuda") == expected


@pytest.mark.parametrize(("faster", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
def test_cpus_use_what_was_measured_to_be_faster(monkeypatch, faster, expected):
    monkeypatch.setattr(precision, "_bf16_is_faster_on_cpu", lambda: faster)
    assert resolve_precision("auto", "cpu") == expected


def test_the_measurement_compares_both(monkeypatch):
    slow, now = None, 0.0

    def convolve(x, weight, padding):
        nonlocal now
        now += 2.0 if x.dtype == slow else 1.0

    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(precision.F, "conv2d", convolve)
    monkeypatch.setattr(precision.time, "perf_counter", lambda: now)
    for dtype, expected in ((torch.float32, True), (torch.bfloat16, False), (None, False)):
        slow = dtype
        assert precision._bf16_is_faster_on_cpu() is expected


def test_metal_and_a_chosen_precision_need_no_measurement(monkeypatch):
    monkeypatch.setattr(precision, "_bf16_is_faster_on_cpu", lambda: pytest.fail("measured"))
    assert resolve_precision("auto", "mps") == "32-true"
    assert resolve_precision("bf16-mixed", "cpu") == "bf16-mixed"


def test_several_processes_on_cpus_do_not_measure_each_for_itself(monkeypatch):
    monkeypatch.setattr(precision, "_bf16_is_faster_on_cpu", lambda: True)
    assert resolve_precision("auto", "cpu") == "bf16-mixed"
    assert resolve_precision("auto", "cpu", processes=2) == "32-true"
