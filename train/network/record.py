"""The record of a run in its checkpoint, next to the weights: one writer, one reader."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

from train.network.shape import NetworkShape

FORMAT = 2
"""Version of the record; it rises when files can no longer be read as before."""


@dataclass(frozen=True)
class Quality:
    """How good a style is on some photos; every term is relative, and 0 is perfect.

    Attributes:
        content: C, the content lost: mean of `content_by_layer`. The photo itself has 0.
        style: S3, the style missed: mean of `style_by_scale`. A plain photo has about 0.4 to 0.9.
        style_by_scale: The style term at each factor of reduction, mean over the layers and the photos, with
            the painting at 768 px.
        style_at_trained_size: S, the style term without reduction, mean of `style_by_layer`, with the
            painting at the size that trained the style.
        content_by_layer: The content term of each layer, mean over the photos.
        style_by_layer: The terms of `style_at_trained_size` for each layer, mean over the photos.
        photos: Number of photos.
        size: Longer side of the largest photo in pixels.
        flicker: How differently the next frame of a slow pan is painted, in levels of 255; None if it was
            not measured, in older records or for small photos.
    """

    content: float
    style: float
    style_by_scale: dict[int, float]
    style_at_trained_size: float
    content_by_layer: dict[str, float]
    style_by_layer: dict[str, float]
    photos: int
    size: int
    flicker: float | None = None


@dataclass(frozen=True)
class PaintingRecord:
    """The painting of a run.

    Attributes:
        name: Name of the style.
        sha256: SHA-256 of the painting's file, in hexadecimal.
        width: Width in pixels, as the loss network saw it.
        height: Height, likewise.
        author: Who painted it; empty if unknown.
        licence: Its rights; empty if unknown.
        pixels_sha256: SHA-256 of its pixels as the run began, which another version may read in other
            colours; empty in older checkpoints.
    """

    name: str
    sha256: str
    width: int
    height: int
    author: str
    licence: str
    pixels_sha256: str = ""


@dataclass(frozen=True)
class RunRecord:
    """A run, apart from its weights and its optimizer.

    Attributes:
        version: Version of fastnst that wrote the checkpoint.
        options: The run's options by name, as `TrainingConfig.to_dict` returned them.
        style: The painting.
        precision: Lightning's name of the arithmetic.
        world_size: Number of processes that train together.
        max_steps: Optimizer steps in all.
        seconds: Training time so far, over all resumed parts.
        losses: Terms of the loss by their names on the dashboard; empty until the run is finished.
        quality: C and S3; None until they are measured.
        finished: Whether the run reached its last step.
        tracking_run: Identity of the run on the dashboard; empty without one.
        init: `name` and `sha256` of the style whose weights came first; empty for random weights, and in
            checkpoints older than the option.
    """

    version: str
    options: Mapping[str, Any]
    style: PaintingRecord
    precision: str
    world_size: int
    max_steps: int
    seconds: float
    losses: Mapping[str, float]
    quality: Quality | None
    finished: bool
    tracking_run: Mapping[str, str]
    init: Mapping[str, str] = dataclass_field(default_factory=dict)

    @property
    def network_shape(self) -> NetworkShape:
        """The shape of the trained network."""
        # The paper's, before there were the options.
        options = {"outer_kernel_size": 9, "wide_blocks": 0} | dict(self.options)
        return NetworkShape(**{key: options[key] for key in NetworkShape._fields})

    def to_entries(self) -> dict[str, Any]:
        """Return the record as plain values, for the checkpoint file."""
        return {"format": FORMAT, **dataclasses.asdict(self)}

    @classmethod
    def from_entries(cls, entries: Mapping[str, Any]) -> RunRecord:
        """Read what `to_entries` returned, in this version or an older one.

        Raises:
            KeyError: If an entry is missing.
            TypeError: If an entry is of another type.
            ValueError: Likewise, of some types.
        """
        values = _fields_of(cls, {"init": {}} | dict(entries))
        style = {"pixels_sha256": ""} | dict(values["style"])
        values["style"] = PaintingRecord(**_fields_of(PaintingRecord, style))
        if values["quality"] is not None:
            # Records older than S3 hold another measure: they count as not measured.
            old = "style_by_scale" not in values["quality"]
            quality = {"flicker": None} | dict(values["quality"])
            values["quality"] = None if old else Quality(**_fields_of(Quality, quality))
        record = cls(**values)
        for part in (record, record.style, *([record.quality] if record.quality else [])):
            _check_types(part)
        return record


def _fields_of(record: type, entries: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a record's fields; those that a later version adds are ignored."""
    return {field.name: entries[field.name] for field in dataclasses.fields(record)}


def _check_types(record: Any) -> None:
    """Check the values of a record that comes from a file.

    Raises:
        TypeError: If one is of another type than its field.
    """
    for name, hint in typing.get_type_hints(type(record)).items():
        if not _is_a(getattr(record, name), hint):
            raise TypeError(name)


def _is_a(value: object, hint: Any) -> bool:
    kind, parts = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if kind is types.UnionType:
        return any(_is_a(value, part) for part in parts)
    if kind is not None:  # a mapping
        return isinstance(value, kind) and all(
            _is_a(key, parts[0]) and _is_a(entry, parts[1]) for key, entry in value.items()
        )
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, (int, float) if hint is float else hint)
