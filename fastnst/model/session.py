"""The choice of ONNX Runtime's execution provider: which processor runs the network."""

from __future__ import annotations

import contextlib
import io
import json
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from fastnst.errors import FastnstError, FastnstWarning
from fastnst.model.external_weights import explain_failure
from fastnst.model.running import Cancelled, run_until_stopped, time_limit
from fastnst.terminal import printable

T = TypeVar("T")

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "directml": "DmlExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}

GPUS = ("cuda", "migraphx", "rocm", "directml")

# Each of these is in a build only because the user chose that build. TensorRT compiles an engine for minutes
# and CoreML is in every macOS build but knows few dynamic shapes, so both run only when they are named.
AUTOMATIC = (*GPUS, "openvino")

DEVICES = ("auto", "gpu", *PROVIDERS)

# The default, EXHAUSTIVE, times every convolution algorithm again for each new image size.
_OPTIONS: dict[str, dict[str, str]] = {"cuda": {"cudnn_conv_algo_search": "HEURISTIC"}}

_ADVICE = {
    "cuda": 'check that nvidia-smi shows the GPU, then pip install "onnxruntime-gpu[cuda,cudnn]"',
}

_WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"  # since 1.21

# Seconds for loading a model on the CPU: constants may take as long to compute as their author likes.
_LOAD_SECONDS = 120

# ONNX Runtime's exceptions that blame the model, whatever the provider.
_MODEL_ERRORS = ("InvalidGraph", "InvalidProtobuf", "NoModel", "NoSuchFile")

# Warnings' filters and sys.stdout are the whole process's: two threads that exchange them at the same time
# would each put back what the other had set.
_quieting = threading.Lock()


class RunError(FastnstError):
    """The session failed on an input, by the model's or by the provider's fault."""


class OutOfMemoryError(RunError):
    """The session failed as it got too little memory."""


def open_session(
    path: Path, use: Callable[[Any], T], *, device: str = "auto", threads: int | None = None
) -> tuple[Any, T]:
    """Open a model on the device asked for, or on the best that works.

    ONNX Runtime falls back to the CPU without a word when a GPU does not start. Here a device that was named
    works or is an error, and one that was found by itself works or is replaced with a warning.

    Args:
        path: The ONNX file.
        use: Called with the session to read the model and, except on the CPU, try it. A RunError, or an
            exception other than FastnstError, means that the provider does not work.
        device: One of `DEVICES`; `cuda:1` and the like name one of several.
        threads: Threads of the CPU provider; ONNX Runtime chooses when None.

    Returns:
        The `onnxruntime.InferenceSession`, and what `use` returned.

    Raises:
        FastnstError: If ONNX Runtime is not installed, the device is unknown, missing or does not start, or
            the model cannot be loaded.
        Cancelled: If a `Cancellation` ends it.
    """
    kind, _, number = device.lower().partition(":")
    if kind not in DEVICES or (number and not (number.isdecimal() and kind in GPUS)):
        raise FastnstError(f"unknown device {device!r}: choose one of {', '.join(DEVICES)}")
    if threads is not None and threads < 1:
        raise FastnstError(f"threads must be at least 1, not {threads}")
    runtime = _import_runtime(with_gpu=kind != "cpu")
    available = set(runtime.get_available_providers())
    candidates = {"auto": (*AUTOMATIC, "cpu"), "gpu": GPUS}.get(kind, (kind,))
    present = [name for name in candidates if PROVIDERS[name] in available]
    if not present:
        raise FastnstError(_missing(kind, available))
    failure = advice = ""
    # Other providers may compile the network for minutes.
    limit = f"the model takes more than {_LOAD_SECONDS} s to load: it never ends, or is too slow for photos"
    for name in present:
        try:
            with time_limit(_LOAD_SECONDS, limit) if name == "cpu" else contextlib.nullcontext():
                session = _create(runtime, path, name, number, threads)
            if PROVIDERS[name] not in session.get_providers():
                raise RuntimeError("ONNX Runtime could not start it")
            result = use(session)
        except Cancelled:
            raise
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors share no class but Exception
            if isinstance(error, FastnstError) and (name == "cpu" or not isinstance(error, RunError)):
                raise FastnstError(f"{path}: {error}") from None
            if name == "cpu" or type(error).__name__ in _MODEL_ERRORS:
                raise FastnstError(_load_failure(path, error)) from None
            if not failure:
                failure = f"{name} does not work here ({first_line(error)})"
                advice = _ADVICE.get(name, "check its driver and libraries")
            continue
        if failure:
            warnings.warn(f"{failure}; running on {name}", FastnstWarning, stacklevel=4)
        return session, result
    raise FastnstError(f"{failure}: {advice}, or use --device cpu")


def open_with_one_thread(path: Path) -> Any:
    """Open a model for the CPU that computes in the thread that runs it, and in no other.

    Several threads may run it at the same time, each with its own input. It gives the same bytes as a session
    with several threads.

    Args:
        path: The ONNX file, which `open_session` has opened.

    Returns:
        The `onnxruntime.InferenceSession`.

    Raises:
        FastnstError: If the file is no longer what it was.
    """
    try:
        return _create(_import_runtime(with_gpu=False), path, "cpu", "", 1)
    except Cancelled:
        raise
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors share no class but Exception
        raise FastnstError(_load_failure(path, error)) from None


def open_changed(session: Any, data: bytes) -> Any:
    """Open a changed form of a session's model on the same device.

    Args:
        session: An `onnxruntime.InferenceSession`.
        data: The changed model's bytes.

    Returns:
        The new session.

    Raises:
        FastnstError: If ONNX Runtime does not take the changed model.
    """
    # Threads that paint come here often, and the session shows that all of this works: nothing to silence.
    import onnxruntime

    providers = session.get_providers()
    options = session.get_provider_options()
    try:
        return onnxruntime.InferenceSession(
            data,
            session.get_session_options(),
            providers=providers,
            provider_options=[options[provider] for provider in providers],
            enable_fallback=0,
        )
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors share no class but Exception
        if "external" in str(error).lower():
            raise FastnstError(
                "the model keeps its weights in another file, where its parts do not find them: "
                f"pip install --upgrade onnxruntime ({first_line(error)})"
            ) from None
        raise FastnstError(f"the model does not work in parts: {first_line(error)}") from None


def available_devices() -> list[str]:
    """Return the devices that the installed ONNX Runtime was built for, the best first.

    Raises:
        FastnstError: If ONNX Runtime is not installed.
    """
    available = set(_import_runtime(with_gpu=False).get_available_providers())
    order = (*AUTOMATIC, "tensorrt", "coreml", "cpu")
    return [name for name in order if PROVIDERS[name] in available]


def device_name(provider: str) -> str:
    """Return the short name of an ONNX Runtime provider: `CUDAExecutionProvider` is `cuda`."""
    short = {full: name for name, full in PROVIDERS.items()}
    return short.get(provider, provider.removesuffix("ExecutionProvider").lower())


def first_line(error: BaseException) -> str:
    """Return ONNX Runtime's message as one short line, without its codes."""
    text = str(error).strip() or type(error).__name__
    return printable(text.splitlines()[0].split("] : ", 1)[-1].split(" : ", 2)[-1], 200)


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    with _quieting, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _import_runtime(*, with_gpu: bool) -> Any:
    # Both ONNX Runtime's import and its search for the CUDA libraries print and warn about what it lacks;
    # what matters of that is found by the comparison of providers and said in one line.
    with _without_warnings(), contextlib.redirect_stdout(io.StringIO()):
        try:
            import onnxruntime
        except ModuleNotFoundError as error:
            if error.name != "onnxruntime":
                raise
            raise FastnstError(
                "ONNX Runtime is not installed: pip install onnxruntime, or for an NVIDIA GPU "
                '"onnxruntime-gpu[cuda,cudnn]"'
            ) from None
        except ImportError as error:
            raise FastnstError(f"ONNX Runtime does not load: {first_line(error)}") from None
        if not hasattr(onnxruntime, "InferenceSession"):
            # What is left of a package folder that onnxruntime and onnxruntime-gpu shared.
            raise FastnstError(
                "ONNX Runtime's installation is broken: pip uninstall onnxruntime onnxruntime-gpu, "
                'then pip install onnxruntime or "onnxruntime-gpu[cuda,cudnn]"'
            )
        onnxruntime.set_default_logger_severity(4)
        if with_gpu and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            preload_dlls = getattr(onnxruntime, "preload_dlls", None)  # since 1.21
            if preload_dlls is not None:
                with contextlib.suppress(Exception):
                    preload_dlls()
    return onnxruntime


def _create(runtime: Any, path: Path, name: str, number: str, threads: int | None) -> Any:
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    # Where a changed model, which comes as bytes, finds weights that are kept in another file.
    options.add_session_config_entry(_WEIGHTS_FOLDER, str(path.absolute().parent))
    # Else the threads spin on for milliseconds after a picture, while others encode it and read the next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if threads is not None:
        options.intra_op_num_threads = threads
    if name == "cpu":
        # Kept for the next of the same size, the pattern takes half as much memory again, and no time off.
        options.enable_mem_pattern = False
    if name == "directml":  # which requires both
        options.enable_mem_pattern = False
        options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
    provider_options = {**_OPTIONS.get(name, {}), **({"device_id": number} if number else {})}
    if name == "openvino":
        provider_options |= _openvino_options(threads)
    providers = [(PROVIDERS[name], provider_options)]
    if name == "tensorrt":
        providers.append((PROVIDERS["cuda"], _OPTIONS["cuda"]))
    if name != "cpu":
        providers.append((PROVIDERS["cpu"], {}))

    def stop() -> None:
        if hasattr(options, "set_load_cancellation_flag"):  # since 1.21
            options.set_load_cancellation_flag(True)

    with _without_warnings():
        return run_until_stopped(
            lambda: runtime.InferenceSession(str(path), options, providers=providers, enable_fallback=0), stop
        )


def _openvino_options(threads: int | None) -> dict[str, str]:
    """Return OpenVINO's options: bfloat16 where the processor computes with it, else OpenVINO's own choice.

    Asked for bfloat16 elsewhere, OpenVINO emulates it, which takes three times as long as float32.
    """
    options: dict[str, str] = {} if threads is None else {"num_of_threads": str(threads)}
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:  # no Linux
        return options
    if not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags):
        options["load_config"] = json.dumps({"CPU": {"INFERENCE_PRECISION_HINT": "bf16"}})
    return options


def _missing(kind: str, available: set[str]) -> str:
    built_for = ", ".join(sorted(device_name(name) for name in available & set(PROVIDERS.values())))
    advice = (
        'pip uninstall onnxruntime, then pip install "onnxruntime-gpu[cuda,cudnn]"'
        if kind in ("cuda", "gpu")
        else "install a build of ONNX Runtime that has it"
    )
    return f"the installed ONNX Runtime has no {kind} (it has {built_for}): {advice}"


def _load_failure(path: Path, error: BaseException) -> str:
    text = str(error).lower()
    if problem := explain_failure(path):
        return problem
    if "external data" in text or "external_data" in text or "external initializer" in text:
        return f"{path} keeps its weights in another file, which cannot be read: copy or download both again"
    if "opset" in text and "support" in text:
        return f"{path} needs a newer ONNX Runtime: pip install --upgrade onnxruntime ({first_line(error)})"
    return f"{path} cannot be loaded: {first_line(error)}"
