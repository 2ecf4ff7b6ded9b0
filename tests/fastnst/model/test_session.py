"""The choice of the device, with a stand-in for an ONNX Runtime that has GPUs."""

from __future__ import annotations

import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from fastnst import FastnstError, FastnstWarning, Stylizer
from fastnst.model.session import (
    RunError,
    available_devices,
    device_name,
    first_line,
    open_changed,
    open_session,
)
from tests.fastnst.make_images import pixels

CPU, CUDA, DML = "CPUExecutionProvider", "CUDAExecutionProvider", "DmlExecutionProvider"
OPENVINO = "OpenVINOExecutionProvider"


class Options(SimpleNamespace):
    def add_session_config_entry(self, key: str, value: str) -> None:
        setattr(self, key, value)


class Runtime(ModuleType):
    """An onnxruntime whose providers are built in, and of which some start."""

    def __init__(self, built: list[str], starting: list[str]) -> None:
        super().__init__("onnxruntime")
        self.asked: list[Any] = []
        self.ExecutionMode = SimpleNamespace(ORT_SEQUENTIAL="sequential")
        self.SessionOptions = Options
        self.get_available_providers = lambda: built
        self.set_default_logger_severity = lambda level: None
        self.preload_dlls = lambda: print("Failed to load libcudnn.so.9")

        def session(path: str, options: Any, *, providers: list[Any], enable_fallback: int) -> Any:
            assert enable_fallback == 0
            self.asked.append((providers, options))
            names = [name for name, _ in providers if name in starting]
            return SimpleNamespace(get_providers=lambda: names)

        self.InferenceSession = session


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Any:
    def replace(*built: str, starting: list[str]) -> Runtime:
        runtime = Runtime(list(built), starting)
        monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
        return runtime

    return replace


def opened(device: str = "auto", use: Any = lambda session: None) -> list[str]:
    session, _ = open_session(Path("m.onnx"), use, device=device)
    providers: list[str] = session.get_providers()
    return providers


def test_a_gpu_that_works_is_taken_without_a_word(install: Any, capfd: pytest.CaptureFixture[str]) -> None:
    install(CUDA, CPU, starting=[CUDA, CPU])
    for device in ("auto", "gpu", "cuda", "CUDA"):
        assert opened(device) == [CUDA, CPU]
    assert opened("cpu") == [CPU]
    assert capfd.readouterr() == ("", "")


def test_auto_goes_on_without_a_gpu_that_does_not_start(install: Any) -> None:
    install("TensorrtExecutionProvider", CUDA, CPU, starting=[CPU])
    with pytest.warns(FastnstWarning, match=r"cuda does not work here \(.*\); running on cpu"):
        assert opened() == [CPU]


def test_a_gpu_that_fails_in_the_trial_is_replaced(install: Any) -> None:
    install(CUDA, DML, CPU, starting=[CUDA, DML, CPU])

    def trial(session: Any) -> None:
        if session.get_providers()[0] == CUDA:
            raise RunError("the model fails: CUDNN_STATUS_NOT_INITIALIZED")

    with pytest.warns(FastnstWarning, match=r"CUDNN_STATUS_NOT_INITIALIZED.*running on directml"):
        assert opened(use=trial) == [DML, CPU]


@pytest.mark.parametrize("device", ["cuda", "gpu", "cuda:1"])
def test_a_named_gpu_works_or_is_an_error(install: Any, device: str) -> None:
    install(CUDA, CPU, starting=[CPU])
    with pytest.raises(
        FastnstError,
        match=r"cuda does not work here.*nvidia-smi.*onnxruntime-gpu\[cuda,cudnn\].*--device cpu",
    ):
        opened(device)


def test_a_device_that_is_not_built_in(install: Any) -> None:
    install(CPU, starting=[CPU])
    with pytest.raises(FastnstError, match=r"has no cuda \(it has cpu\): .*onnxruntime-gpu\[cuda,cudnn\]"):
        opened("cuda")
    with pytest.raises(FastnstError, match=r"has no openvino.*install a build"):
        opened("openvino")


@pytest.mark.parametrize("device", ["tpu", "", "cpu:1", "cuda:x"])
def test_unknown_devices(device: str) -> None:
    with pytest.raises(FastnstError, match="choose one of auto, gpu, cpu, cuda"):
        opened(device)


def test_options(install: Any) -> None:
    runtime = install(CUDA, DML, CPU, starting=[CUDA, DML, CPU])
    open_session(Path("m.onnx"), lambda session: None, device="cuda:1", threads=3)
    (first, _), options = runtime.asked[0]
    assert first[0] == CUDA
    assert first[1]["device_id"] == "1"
    assert options.intra_op_num_threads == 3
    opened("directml")
    assert runtime.asked[1][1].enable_mem_pattern is False
    with pytest.raises(FastnstError, match="threads must be at least 1"):
        open_session(Path("m.onnx"), lambda session: None, threads=0)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu avx512f avx512_bf16", True),
        ("fpu amx_bf16 amx_tile", True),
        ("fpu avx512f avx512_vnni", False),
        (None, False),
    ],
)
def test_openvino_computes_in_bfloat16_where_the_processor_does(
    install: Any, monkeypatch: pytest.MonkeyPatch, flags: str | None, expected: bool
) -> None:
    def read_text(path: Path) -> str:
        assert str(path) == "/proc/cpuinfo"
        if flags is None:
            raise FileNotFoundError
        return f"processor : 0\nflags : {flags}\n"

    monkeypatch.setattr(Path, "read_text", read_text)
    runtime = install(OPENVINO, CPU, starting=[OPENVINO, CPU])
    open_session(Path("m.onnx"), lambda session: None, device="openvino", threads=2)
    ((name, options), _), _ = runtime.asked[0]
    assert name == OPENVINO
    assert options["num_of_threads"] == "2"
    assert ("bf16" in options.get("load_config", "")) is expected


def test_errors_of_the_model_are_not_the_gpus(install: Any) -> None:
    install(CUDA, CPU, starting=[CUDA, CPU])

    def no_style_model(session: Any) -> None:
        raise FastnstError("the model has no image input")

    with pytest.raises(FastnstError, match=r"^m.onnx: the model has no image input$"):
        opened(use=no_style_model)


def test_without_onnx_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(FastnstError, match=r"pip install onnxruntime, or for an NVIDIA GPU"):
        opened()
    monkeypatch.setitem(sys.modules, "onnxruntime", ModuleType("onnxruntime"))
    with pytest.raises(FastnstError, match="broken: pip uninstall onnxruntime onnxruntime-gpu"):
        opened()


def test_devices_at_hand(install: Any) -> None:
    install("TensorrtExecutionProvider", CPU, CUDA, "AzureExecutionProvider", starting=[])
    assert available_devices() == ["cuda", "tensorrt", "cpu"]


def test_names_and_messages() -> None:
    assert device_name(CUDA) == "cuda"
    assert device_name("QNNExecutionProvider") == "qnn"
    text = "[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : Failed to load model.\nmore"
    assert first_line(RuntimeError(text)) == "Failed to load model."
    assert first_line(ValueError()) == "ValueError"
    assert len(first_line(ValueError("x" * 500))) == 200


def test_a_changed_model_is_opened_without_a_change_of_what_other_threads_see(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    filters, stdout = warnings.filters, sys.stdout

    def session(*_: object, **__: object) -> tuple[bool, bool]:
        return warnings.filters is filters, sys.stdout is stdout

    plain = SimpleNamespace(
        get_providers=lambda: [CPU], get_provider_options=lambda: {CPU: {}}, get_session_options=lambda: None
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", SimpleNamespace(InferenceSession=session))
    assert open_changed(plain, b"") == (True, True)


def test_threads_that_open_models_take_turns_with_the_warnings(models: Path) -> None:
    filters, stdout = warnings.filters, sys.stdout
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(Stylizer, [models / "invert.onnx"] * 20))
    assert warnings.filters is filters
    assert sys.stdout is stdout


def test_the_real_runtime_is_silent(models: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Stylizer(models / "strided.onnx")(pixels(3, 3))
    with pytest.raises(FastnstError):
        Stylizer(models / "classifier.onnx")
    assert capfd.readouterr() == ("", "")
