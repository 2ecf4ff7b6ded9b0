"""What a style file says of itself: where the style comes from, how it was trained, how good it is."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastnst
from fastnst.errors import FastnstError
from fastnst.model.metadata import (
    CONTENT_LOST_KEY,
    FORMAT,
    FORMAT_KEY,
    GENERATED,
    MEASURED_ON_KEY,
    STYLE_AUTHOR_KEY,
    STYLE_LICENCE_KEY,
    STYLE_MISSED_KEY,
    STYLE_NAME_KEY,
    STYLE_SHA256_KEY,
    read_metadata,
)

if TYPE_CHECKING:
    from train.network.checkpoint import StyleCheckpoint
    from train.network.record import Quality, RunRecord

VERSION_KEY = "fastnst.version"
WEIGHTS_KEY = "export.weights"
CHECKPOINT_KEY = "export.checkpoint_sha256"
MAX_ABS_ERROR_KEY = "export.max_abs_error"
PSNR_KEY = "export.psnr"
MEASURED_WITH_KEY = "quality.weights"
INT8 = "int8"

# Options that are written down as they are. Paths are not among them: a file tells nobody's folders.
_OPTIONS = (
    "image_size",
    "batch_size",
    "style_size",
    "style_weight",
    "content_weight",
    "tv_weight",
    "repetition_weight",
    "style_layers",
    "content_layers",
    "learning_rate",
    "seed",
    "loss_network",
)


def describe_style(checkpoint: StyleCheckpoint) -> dict[str, str]:
    """Return what a checkpoint tells of its style, as `metadata_props` of an ONNX model.

    Text stands as it is; numbers, truth values, lists and mappings are JSON.

    Args:
        checkpoint: A training run, finished or not.

    Returns:
        `fastnst.*`, `style.*`, `network.*` and `training.*`, and `quality.*` if it was measured.
    """
    record, options, style = checkpoint.record, checkpoint.record.options, checkpoint.record.style
    entries: dict[str, Any] = {
        FORMAT_KEY: FORMAT,
        VERSION_KEY: fastnst.__version__,
        STYLE_NAME_KEY: style.name,
        STYLE_SHA256_KEY: style.sha256,
        STYLE_AUTHOR_KEY: style.author or "unknown",
        STYLE_LICENCE_KEY: style.licence or "unknown",
        **{f"network.{key}": value for key, value in record.network_shape._asdict().items()},
        "training.finished": record.finished,
        "training.steps": checkpoint.steps,
        "training.images": checkpoint.steps * options["batch_size"] * record.world_size,
        "training.data": _data_name(options["data"]),
        **{f"training.{option}": options[option] for option in _OPTIONS},
        **_describe_init(record),
        **_loss_network_origin(options),
        "training.precision": record.precision,
        "training.seconds": round(record.seconds, 1),
        "training.version": record.version,
    }
    if options.get("strength") is not None:  # the style weight as the user put it
        entries["training.strength"] = options["strength"]
    if options.get("teacher") is not None:
        entries["training.teacher"] = Path(options["teacher"]).name.removesuffix(".onnx")
    if options.get("style_layer_weights"):
        entries["training.style_layer_weights"] = options["style_layer_weights"]
    if options.get("generated_share"):
        entries["training.generated_share"] = options["generated_share"]
    if record.losses:
        entries["training.losses"] = record.losses
    if record.quality:
        entries |= _describe_quality(record.quality) | {MEASURED_ON_KEY: _data_name(options["data"])}
    return {key: _text(value) for key, value in entries.items()}


def describe_export(checkpoint_sha256: str, *, half: bool, max_abs_error: int) -> dict[str, str]:
    """Return what an export says of itself, as `metadata_props` of an ONNX model.

    Args:
        checkpoint_sha256: Digest of the checkpoint's file.
        half: Whether the kernels are stored as float16.
        max_abs_error: Greatest difference from the checkpoint's network, in levels of 1/255.

    Returns:
        `export.*`.
    """
    return {
        WEIGHTS_KEY: _weights(half),
        MAX_ABS_ERROR_KEY: str(max_abs_error),
        CHECKPOINT_KEY: checkpoint_sha256,
    }


def describe_quantization(metadata: Mapping[str, str], *, psnr: float) -> dict[str, str]:
    """Return what a style file with int8 weights says of itself.

    C and S stay those of the float network, and `quality.weights` says so: they describe the style, and
    8 bits move them by 1% or less.

    Args:
        metadata: What the style with float weights says of itself.
        psnr: How near its pictures are to those of the float network, in dB.

    Returns:
        The metadata, with `export.psnr` in the place of `export.max_abs_error`.
    """
    described = {key: value for key, value in metadata.items() if key != MAX_ABS_ERROR_KEY}
    described |= {VERSION_KEY: fastnst.__version__, WEIGHTS_KEY: INT8, PSNR_KEY: f"{psnr:.1f}"}
    if CONTENT_LOST_KEY in metadata:
        described[MEASURED_WITH_KEY] = "float32"
    return described


def is_current(model: Path, checkpoint: Path, *, int8: bool = False) -> bool:
    """Return whether a style file was made of this very checkpoint by this version.

    It goes by the checkpoint's content, not by times, which copying changes, and needs no PyTorch. A file
    with float16 weights is as current as one with float32.

    Args:
        model: The ONNX file, which need not exist.
        checkpoint: The checkpoint.
        int8: Whether the file should have int8 weights.

    Returns:
        False if either file is missing or cannot be read.
    """
    try:
        metadata = read_metadata(model)
        digest = file_sha256(checkpoint)
    except (FastnstError, OSError):
        return False
    wanted = {CHECKPOINT_KEY: digest, VERSION_KEY: fastnst.__version__}
    return wanted.items() <= metadata.items() and (metadata.get(WEIGHTS_KEY) == INT8) is int8


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal.

    Raises:
        OSError: If it cannot be read.
    """
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _describe_quality(quality: Quality) -> dict[str, Any]:
    from train.evaluate.quality import LOSS_NETWORK  # with PyTorch, which `is_current` does without

    return {
        CONTENT_LOST_KEY: quality.content,
        STYLE_MISSED_KEY: quality.style,
        "quality.photos": quality.photos,
        "quality.size": quality.size,
        "quality.loss_network": LOSS_NETWORK,
        "quality.content_by_layer": quality.content_by_layer,
        "quality.style_by_layer": quality.style_by_layer,
    }


def _describe_init(record: RunRecord) -> dict[str, str]:
    if not record.init:
        return {"training.init": "none"}
    return {"training.init": record.init["name"], "training.init_sha256": record.init["sha256"]}


def _loss_network_origin(options: Mapping[str, Any]) -> dict[str, str]:
    weights = options["loss_network_weights"]
    if weights is not None:  # the user's own file, whose licence only they know
        return {"training.loss_network_weights": Path(weights).name}
    from train.loss.compact import ARCHITECTURE, COMPACT_WEIGHTS, LICENCE
    from train.loss.vgg import ARCHITECTURES

    if options["loss_network"] == ARCHITECTURE:
        name, licence = COMPACT_WEIGHTS.name, LICENCE
    else:
        architecture = ARCHITECTURES[options["loss_network"]]
        name, licence = architecture.weights, architecture.licence
    return {"training.loss_network_weights": name, "training.loss_network_licence": licence}


def _data_name(data: str) -> str:
    """Return the id of a data set on the hub, and `generated`, as it is, and of a folder its name alone."""
    if data == GENERATED:
        return data
    path = Path(data)
    if path.name == GENERATED:
        return f"./{path.name}"  # a folder that is called so
    is_folder = path.is_absolute() or data.startswith((".", "~")) or len(path.parts) != 2 or path.exists()
    return path.name or "photos" if is_folder else data


def _weights(half: bool) -> str:
    return "float16" if half else "float32"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(_rounded(value), ensure_ascii=False)


def _rounded(value: Any) -> Any:
    """Leave out the digits that mean nothing to a reader."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    return value
