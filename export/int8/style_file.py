"""From a checkpoint or a style file to the style file with int8 weights."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from export.int8.calibration import Ranges, calibration_photos, measure_ranges
from export.int8.quantization import quantize
from export.metadata import INT8, describe_quantization
from export.style_file import build_style, check_writable, serialize, write_model
from export.verification import verify_quantized
from fastnst.errors import FastnstError
from fastnst.model import keys
from fastnst.model.metadata import check_format, read_metadata


@dataclass(frozen=True)
class QuantizedStyle:
    """A style file with int8 weights that was just written.

    Attributes:
        path: The file.
        source: The checkpoint or the style file that it was made from.
        psnr: Least PSNR between its pictures of the test images and the float network's, in dB.
        metadata: The file's metadata.
    """

    path: Path
    source: Path
    psnr: float
    metadata: Mapping[str, str]


def export_int8(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    photos: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> QuantizedStyle:
    """Write a style as an ONNX file with int8 weights, after checking that its pictures are near enough.

    The file keeps the contract of `export.style_file.export_onnx`. The same source always gives the same
    bytes.

    Args:
        source: The `.ckpt` file of a training run; or an `.onnx` file that fastnst exported, with float32 or
            float16 weights.
        path: The file to write. An existing file is replaced at the very end, by a whole one.
        photos: A folder of photos to calibrate on; None for generated ones.
        progress: Called with a line before each step that takes seconds.

    Returns:
        What was written.

    Raises:
        FastnstError: If the source is missing, damaged or of another kind, the photos cannot be read, the
            file cannot be written, or the int8 network's pictures are too far from the float network's.
    """
    source, path, say = Path(source), Path(path), progress or _ignore
    check_writable(path)
    if path.exists() and source.exists() and path.samefile(source):
        raise FastnstError(f"{path} is the style to make int8: give the result another name with -o")
    is_style = source.suffix == ".onnx"
    model = _read_style(source) if is_style else build_style(source, progress=progress).model
    floats = serialize(model)

    def measure(values: Iterable[str]) -> Ranges:
        say("calibrating on generated photos" if photos is None else f"calibrating on photos of {photos}")
        return measure_ranges(model, values, calibration_photos(photos))

    try:
        quantize(model, measure)
    except (ValueError, KeyError) as error:
        raise FastnstError(f"{source} holds no network that fastnst can quantise: {error}") from error
    say("comparing its pictures with the float network's")
    psnr = verify_quantized(serialize(model), floats)
    metadata = describe_quantization({each.key: each.value for each in model.metadata_props}, psnr=psnr)
    model.ClearField("metadata_props")
    onnx.helper.set_model_props(model, metadata)
    write_model(model, path)
    return QuantizedStyle(path, source, psnr, metadata)


def _read_style(path: Path) -> onnx.ModelProto:
    metadata = read_metadata(path)
    check_format(metadata, path)
    if keys.FORMAT not in metadata:
        raise FastnstError(f"{path} was not made by fastnst: only fastnst's own styles can be made int8")
    if metadata.get(keys.EXPORT_WEIGHTS) == INT8:
        raise FastnstError(f"{path} has int8 weights already")
    try:
        return onnx.load_model_from_string(path.read_bytes())
    # protobuf's exceptions have no common class.
    except Exception as error:
        raise FastnstError(f"{path} is no ONNX model, or one that was cut short") from error


def _ignore(_: str) -> None:
    pass
