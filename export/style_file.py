"""From a checkpoint to the file that is the whole style."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from export.graph.build import build_model, store_weights_as_float16
from export.graph.rewrites import compute_at_half_size
from export.metadata import describe_export, describe_style, file_sha256
from export.verification import FLOAT16_TOLERANCE, FLOAT32_TOLERANCE, Verification, verify
from fastnst.errors import FastnstError
from train.command import write_result
from train.network.checkpoint import StyleCheckpoint, load_checkpoint


@dataclass(frozen=True)
class BuiltStyle:
    """A style in memory, verified against its checkpoint's network.

    Attributes:
        model: The ONNX model, with its metadata.
        checkpoint: The checkpoint that it was made from.
        verification: Its difference from the checkpoint's network.
        metadata: The model's metadata.
    """

    model: onnx.ModelProto
    checkpoint: StyleCheckpoint
    verification: Verification
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class ExportedStyle:
    """A style file that was just written.

    Attributes:
        path: The file.
        checkpoint: The checkpoint that it was made from.
        verification: Its difference from the checkpoint's network.
        metadata: The file's metadata.
    """

    path: Path
    checkpoint: StyleCheckpoint
    verification: Verification
    metadata: Mapping[str, str]


def export_onnx(
    checkpoint: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    half: bool = False,
    progress: Callable[[str], None] | None = None,
) -> ExportedStyle:
    """Write a checkpoint's style as one ONNX file, after checking that it is the same network.

    The file takes uint8 RGB images of any size and gives the same, see `export.graph.build.build_model`.
    The same checkpoint always gives the same bytes.

    Args:
        checkpoint: The `.ckpt` file of a training run, finished or not.
        path: The file to write. An existing file is replaced at the very end, by a whole one.
        half: Store the weights as float16: half the size, within 2/255.
        progress: Called with a line before each step that takes seconds.

    Returns:
        What was written.

    Raises:
        FastnstError: If the checkpoint is missing, damaged or no checkpoint, the file cannot be written, or
            the exported model is not the checkpoint's network (see `export.verification`).
    """
    path = Path(path)
    check_writable(path)
    built = build_style(checkpoint, half=half, progress=progress)
    write_model(built.model, path)
    return ExportedStyle(path, built.checkpoint, built.verification, built.metadata)


def build_style(
    checkpoint: str | os.PathLike[str],
    *,
    half: bool = False,
    progress: Callable[[str], None] | None = None,
) -> BuiltStyle:
    """Build a checkpoint's style in memory, see `export_onnx`.

    Args:
        checkpoint: The `.ckpt` file of a training run, finished or not.
        half: Store the weights as float16.
        progress: Called with a line before each step that takes seconds.

    Returns:
        The style.

    Raises:
        FastnstError: If the checkpoint is missing, damaged or no checkpoint, or the model is not its network.
    """
    # Before the checkpoint is read: if training replaces it in between, the file does not count as current.
    digest = _digest(checkpoint)
    style = load_checkpoint(checkpoint)
    network = style.network()
    model = build_model(network, progress=progress)
    compute_at_half_size(model)
    if half:
        store_weights_as_float16(model)
    if progress is not None:
        progress("running it in ONNX Runtime against PyTorch")
    verification = verify(serialize(model), network, FLOAT16_TOLERANCE if half else FLOAT32_TOLERANCE)
    metadata = {
        **describe_style(style),
        **describe_export(digest, half=half, max_abs_error=verification.max_abs_error),
    }
    onnx.helper.set_model_props(model, metadata)
    return BuiltStyle(model, style, verification, metadata)


def write_model(model: onnx.ModelProto, path: Path) -> None:
    """Write a model whole, or leave what is there as it is.

    Raises:
        FastnstError: If it cannot be written.
    """
    write_result(path, lambda temporary: temporary.write_bytes(serialize(model)))


def serialize(model: onnx.ModelProto) -> bytes:
    """Return the bytes of a model's file, which are always the same."""
    return bytes(model.SerializeToString(deterministic=True))


def check_writable(path: Path) -> None:
    """Check before the work that a file can be written.

    Raises:
        FastnstError: If it cannot.
    """
    if path.is_dir():
        raise _cannot_write(path, "it is a folder")
    if not path.parent.is_dir():
        raise _cannot_write(path, f"there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise _cannot_write(path, f"the folder {path.parent} is read-only")


def _digest(checkpoint: str | os.PathLike[str]) -> str:
    try:
        return file_sha256(checkpoint)
    except OSError:
        return ""  # load_checkpoint says what is wrong


def _cannot_write(path: Path, reason: str) -> FastnstError:
    return FastnstError(f"cannot write {path}: {reason}")
