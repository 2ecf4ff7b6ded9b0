import time

import pytest
import torch

from fastnst.errors import FastnstError
from train.machine.precision import computing_in, resolve_accelerator, resolve_precision


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


@pytest.fixture
def slower(monkeypatch):
    """Make convolutions of one type take twice as long as those of the other, on a clock of their own."""

    def set_slower(dtype):
        now = 0.0

        def convolve(x, weight, padding):
            nonlocal now
            now += 2.0 if x.dtype == dtype else 1.0

        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
        monkeypatch.setattr(torch.nn.functional, "conv2d", convolve)
        monkeypatch.setattr(time, "perf_counter", lambda: now)

    return set_slower


@pytest.mark.parametrize(
    ("slow", "expected"), [(torch.float32, "bf16-mixed"), (torch.bfloat16, "32-true"), (None, "32-true")]
)
def test_cpus_use_what_is_measured_to_be_faster(slower, slow, expected):
    slower(slow)
    assert resolve_precision("auto", "cpu") == expected


def test_cpus_without_the_library_that_has_bfloat16_use_float32(slower, monkeypatch):
    slower(torch.float32)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert resolve_precision("auto", "cpu") == "32-true"


def test_metal_and_a_chosen_precision_do_not_depend_on_the_measurement(slower):
    slower(torch.float32)
    assert resolve_precision("auto", "mps") == "32-true"
    assert resolve_precision("32-true", "cpu") == "32-true"
    slower(torch.bfloat16)
    assert resolve_precision("bf16-mixed", "cpu") == "bf16-mixed"


def test_several_processes_on_cpus_do_not_measure_each_for_itself(slower):
    slower(torch.float32)
    assert resolve_precision("auto", "cpu") == "bf16-mixed"
    assert resolve_precision("auto", "cpu", processes=2) == "32-true"


@pytest.mark.parametrize(
    ("precision", "expected"),
    [("bf16-mixed", torch.bfloat16), ("16-mixed", torch.float16), ("32-true", torch.float32)],
)
def test_the_work_around_the_steps_computes_in_their_precision(precision, expected):
    image, kernel = torch.rand(1, 3, 8, 8), torch.rand(4, 3, 3, 3)
    with computing_in(precision, "cpu"):
        assert torch.nn.functional.conv2d(image, kernel).dtype == expected
    assert torch.nn.functional.conv2d(image, kernel).dtype == torch.float32
