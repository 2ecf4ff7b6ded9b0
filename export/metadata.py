"""The metadata of a style file: where the style comes from, how it was trained, how good it is."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastnst
from fastnst.errors import FastnstError
from fastnst.model import keys
from fastnst.model.metadata import FORMAT, read_metadata
from fastnst.terminal import one_line
from train.network.shape import GRAIN
from train.photos.shards import names_shards

if TYPE_CHECKING:
    from train.arbitrary.checkpoint import AnyPaintingCheckpoint
    from train.network.checkpoint import StyleCheckpoint
    from train.network.record import Quality, RunRecord

INT8 = "int8"

# Options that are written as they are. None is a path: a style file names no folders of this machine.
_OPTIONS = (
    "image_size",
    "batch_size",
    "style_size",
    "style_weight",
    "content_weight",
    "tv_weight",
    "repetition_weight",
    "stability_weight",
    "style_scales",
    "style_layers",
    "content_layers",
    "learning_rate",
    "seed",
    "loss_network",
)


def describe_style(checkpoint: StyleCheckpoint) -> dict[str, str]:
    """Return the metadata of a checkpoint's style, as `metadata_props` of an ONNX model.

    Text is written as it is; numbers, truth values, lists and mappings are JSON.

    Args:
        checkpoint: A training run, finished or not.

    Returns:
        `fastnst.*`, `style.*`, `network.*` and `training.*`, and `quality.*` if it was measured.

    Raises:
        FastnstError: If its options are damaged.
    """
    try:
        return _describe_style(checkpoint)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise FastnstError(f"{checkpoint.path} is damaged: of its options, {one_line(error)}") from error


def _describe_style(checkpoint: StyleCheckpoint) -> dict[str, str]:
    record, options, style = checkpoint.record, checkpoint.record.options, checkpoint.record.style
    entries: dict[str, Any] = {
        keys.FORMAT: FORMAT,
        keys.VERSION: fastnst.__version__,
        keys.STYLE_NAME: style.name,
        keys.STYLE_SHA256: style.sha256,
        keys.STYLE_AUTHOR: style.author or "unknown",
        keys.STYLE_LICENCE: style.licence or "unknown",
        **{f"network.{key}": value for key, value in record.network_shape._asdict().items()},
        **({keys.NETWORK_GRAIN: GRAIN} if record.network_shape.wide_blocks else {}),
        keys.TRAINING_FINISHED: record.finished,
        keys.TRAINING_STEPS: checkpoint.steps,
        keys.TRAINING_IMAGES: checkpoint.steps * options["batch_size"] * record.world_size,
        keys.TRAINING_DATA: _data_name(options["data"]),
        **{keys.training(option): options[option] for option in _OPTIONS},
        **_describe_init(record),
        **_loss_network_origin(options),
        keys.TRAINING_PRECISION: record.precision,
        keys.TRAINING_SECONDS: round(record.seconds, 1),
        keys.TRAINING_VERSION: record.version,
    }
    if options.get("strength") is not None:  # the style weight as the user put it
        entries[keys.TRAINING_STRENGTH] = options["strength"]
    if options.get("teacher") is not None:
        entries[keys.TRAINING_TEACHER] = Path(options["teacher"]).name.removesuffix(".onnx")
    if options.get("style_layer_weights"):
        entries[keys.TRAINING_STYLE_LAYER_WEIGHTS] = options["style_layer_weights"]
    if options.get("generated_share"):
        entries[keys.TRAINING_GENERATED_SHARE] = options["generated_share"]
    if record.losses:
        entries[keys.TRAINING_LOSSES] = record.losses
    if record.quality:
        entries |= _describe_quality(record.quality) | {keys.MEASURED_ON: _data_name(options["data"])}
    return {key: _text(value) for key, value in entries.items()}


def describe_any_painting(checkpoint: AnyPaintingCheckpoint, kind: str) -> dict[str, str]:
    """Return the metadata of the painter of any painting or of its encoder.

    Args:
        checkpoint: A run of `python -m train.arbitrary`.
        kind: `keys.PAINTER` or `keys.ENCODER`.

    Returns:
        `fastnst.*`, `network.*` and `training.*`, as `describe_style` writes them.

    Raises:
        FastnstError: If the run's options are damaged.
    """
    from train.arbitrary.any_painting_net import SHAPE
    from train.arbitrary.levels import PAINTING_SIZE

    record, options = checkpoint.record, checkpoint.record.options
    try:
        entries: dict[str, Any] = {
            keys.FORMAT: FORMAT,
            keys.VERSION: fastnst.__version__,
            keys.KIND: kind,
            **{f"network.{key}": value for key, value in SHAPE._asdict().items()},
            keys.NETWORK_GRAIN: GRAIN,
            keys.NETWORK_PAINTING_SIZE: PAINTING_SIZE,
            keys.TRAINING_FINISHED: record.finished,
            keys.TRAINING_STEPS: checkpoint.steps,
            keys.TRAINING_IMAGES: checkpoint.steps * options["batch_size"],
            keys.TRAINING_DATA: _data_name(options["data"]),
            **{keys.training(option): options[option] for option in _OPTIONS},
            keys.TRAINING_PAINTINGS: dict(record.paintings),
            keys.TRAINING_INIT: Path(record.start).name.removesuffix(".onnx") or "none",
            **_loss_network_origin(options),
            keys.TRAINING_SECONDS: round(record.seconds, 1),
            keys.TRAINING_VERSION: record.version,
        }
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise FastnstError(f"the checkpoint is damaged: of its options, {one_line(error)}") from error
    return {key: _text(value) for key, value in entries.items()}


def describe_export(checkpoint_sha256: str, *, half: bool, max_abs_error: int) -> dict[str, str]:
    """Return the metadata of an export, as `metadata_props` of an ONNX model.

    Args:
        checkpoint_sha256: SHA-256 of the checkpoint's file.
        half: Whether the kernels are stored as float16.
        max_abs_error: Greatest difference from the checkpoint's network, in levels of 1/255.

    Returns:
        `export.*`.
    """
    return {
        keys.EXPORT_WEIGHTS: _weights(half),
        keys.EXPORT_MAX_ABS_ERROR: str(max_abs_error),
        keys.EXPORT_CHECKPOINT_SHA256: checkpoint_sha256,
    }


def describe_quantization(metadata: Mapping[str, str], *, psnr: float) -> dict[str, str]:
    """Return the metadata of a style file with int8 weights.

    C and S3 stay those of the float network, as `quality.weights` says: 8 bits change them by 1% or less.

    Args:
        metadata: The metadata of the style with float weights.
        psnr: PSNR between its pictures and those of the float network, in dB.

    Returns:
        The metadata, with `export.psnr` instead of `export.max_abs_error`.
    """
    described = {key: value for key, value in metadata.items() if key != keys.EXPORT_MAX_ABS_ERROR}
    described |= {
        keys.VERSION: fastnst.__version__,
        keys.EXPORT_WEIGHTS: INT8,
        keys.EXPORT_PSNR: f"{psnr:.1f}",
    }
    if keys.CONTENT_LOST in metadata:
        described[keys.MEASURED_WEIGHTS] = "float32"
    return described


def is_current(model: Path, checkpoint: Path, *, int8: bool = False) -> bool:
    """Return whether a style file was made from this very checkpoint by this version.

    It compares the checkpoint's content, since copying changes times, and needs no PyTorch. Float16 weights
    are as current as float32.

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
    wanted = {keys.EXPORT_CHECKPOINT_SHA256: digest, keys.VERSION: fastnst.__version__}
    return wanted.items() <= metadata.items() and (metadata.get(keys.EXPORT_WEIGHTS) == INT8) is int8


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
        keys.CONTENT_LOST: quality.content,
        keys.STYLE_MISSED: quality.style,
        keys.STYLE_BY_SCALE: quality.style_by_scale,
        keys.STYLE_MISSED_AT_TRAINED_SIZE: quality.style_at_trained_size,
        keys.MEASURED_PHOTOS: quality.photos,
        keys.MEASURED_SIZE: quality.size,
        keys.MEASURED_WITH: LOSS_NETWORK,
        keys.CONTENT_BY_LAYER: quality.content_by_layer,
        keys.STYLE_BY_LAYER: quality.style_by_layer,
        **({} if quality.flicker is None else {keys.FLICKER: quality.flicker}),
    }


def _describe_init(record: RunRecord) -> dict[str, str]:
    if not record.init:
        return {keys.TRAINING_INIT: "none"}
    return {keys.TRAINING_INIT: record.init["name"], keys.TRAINING_INIT_SHA256: record.init["sha256"]}


def _loss_network_origin(options: Mapping[str, Any]) -> dict[str, str]:
    weights = options["loss_network_weights"]
    if weights is not None:  # the user's own file, whose licence only they know
        return {keys.TRAINING_LOSS_NETWORK_WEIGHTS: Path(weights).name}
    from train.loss.compact import ARCHITECTURE, COMPACT_WEIGHTS, LICENCE
    from train.loss.vgg import ARCHITECTURES

    if options["loss_network"] == ARCHITECTURE:
        name, licence = COMPACT_WEIGHTS.name, LICENCE
    else:
        architecture = ARCHITECTURES[options["loss_network"]]
        name, licence = architecture.weights, architecture.licence
    return {keys.TRAINING_LOSS_NETWORK_WEIGHTS: name, keys.TRAINING_LOSS_NETWORK_LICENCE: licence}


def _data_name(data: str) -> str:
    """Return the id of a data set on the hub or `generated` as it is, and only the name of a folder.

    Shards that are named themselves, such as `s3://bucket/coco/*.parquet`, have the name of their folder.
    """
    if data == keys.GENERATED:
        return data
    if names_shards(data):
        return Path(data).parent.name or "photos"
    path = Path(data)
    if path.name == keys.GENERATED:
        return f"./{path.name}"  # a folder that is called so
    is_folder = path.is_absolute() or data.startswith((".", "~")) or len(path.parts) != 2 or path.exists()
    return path.name or "photos" if is_folder else data


def _weights(half: bool) -> str:
    return "float16" if half else "float32"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(_rounded(value), ensure_ascii=False)


def _rounded(value: Any) -> Any:
    """Round numbers to five digits."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    return value
