"""The files of one training: what was asked for, how far it is, its painting and its picture."""

from __future__ import annotations

import dataclasses
import json
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastnst.atomic_write import atomic_write
from fastnst.errors import FastnstError

RUNNING, STOPPED, FAILED, FINISHED = "running", "stopped", "failed", "finished"
"""What a training may be. All but a finished one can be resumed."""

STARTING, TRAINING, EXPORTING = "starting", "training", "exporting"
"""The phases of one that runs."""

MOST_NAME = 60
"""Characters of a name."""

_TOLD = (
    *("step", "steps", "fraction", "image_size", "images_per_second", "seconds_left", "seconds"),
    "losses",
)

# Points of the curve of losses; when there are as many, every second one goes.
_MOST_POINTS = 240


def check_name(name: str) -> str:
    """Return a style's name in Unicode's composed form.

    Raises:
        FastnstError: If it is no plain name: letters, digits, `_` and `-`, the first a letter or digit.
    """
    name = unicodedata.normalize("NFC", name)
    plain = all(unicodedata.category(character)[0] in "LNM" or character in "_-" for character in name)
    if not name or not plain or not name[0].isalnum():
        raise FastnstError(
            f"{name[:40]!r} cannot be a style's name: it has letters, digits, _ and -, and begins with a "
            "letter or digit"
        )
    if len(name) > MOST_NAME:
        raise FastnstError(f"the name has {len(name)} characters, more than {MOST_NAME}")
    return name


@dataclass(frozen=True)
class Order:
    """What was asked for. It never changes.

    Attributes:
        name: The style's.
        quality: How thoroughly.
        painting: The name of the painting's file in the training's folder.
        sha256: The SHA-256 of that file.
        options: Of `python -m train`, without painting, name and output.
        created: Seconds since 1970.
    """

    name: str
    quality: str
    painting: str
    sha256: str
    options: tuple[str, ...]
    created: float


@dataclass
class Progress:
    """How far it is, by the events of `python -m train --progress json`.

    Attributes:
        state: Such as `RUNNING`.
        phase: Of one that runs, such as `STARTING`.
        text: What a person should know now: the last message, or why it ended.
        step: Steps done.
        steps: Of the whole training.
        fraction: Of the work, 0 to 1.
        image_size: Side of a crop now, in pixels.
        images_per_second: The speed of late.
        seconds_left: Of training.
        losses: The terms of the loss, by their names.
        curve: Pairs of the fraction and the losses then.
        preview_step: The step of the picture, or None before there is one.
        preview_photos: How many photos the picture shows.
        seconds: That all training took; known at its end.
    """

    state: str = RUNNING
    phase: str | None = STARTING
    text: str = ""
    step: int = 0
    steps: int = 0
    fraction: float = 0.0
    image_size: int | None = None
    images_per_second: float | None = None
    seconds_left: float | None = None
    losses: dict[str, float | None] = field(default_factory=dict)
    curve: list[tuple[float, dict[str, float | None]]] = field(default_factory=list)
    preview_step: int | None = None
    preview_photos: int = 0
    seconds: float | None = None

    def begin(self) -> None:
        """Begin, or go on."""
        self.state, self.phase, self.text = RUNNING, STARTING, ""
        self.images_per_second = self.seconds_left = None

    def end(self, state: str, text: str = "") -> None:
        """End in a state, for a reason."""
        self.state, self.phase, self.text = state, None, text
        self.images_per_second = self.seconds_left = None

    def take(self, event: dict[str, Any]) -> None:
        """Take an event; those that are not known change nothing."""
        kind = event.get("event")
        if kind in ("message", "error"):
            self.text = str(event.get("text", ""))
        elif kind == "started":
            self.phase, self.text = TRAINING, ""
            self.step, self.steps = event["step"], event["steps"]
        elif kind == "progress":
            self.phase, self.text = TRAINING, ""
            for name in (
                *("step", "steps", "fraction", "image_size"),
                *("images_per_second", "seconds_left", "losses"),
            ):
                setattr(self, name, event[name])
            # A run that was killed goes on from before.
            self.curve = [point for point in self.curve if point[0] < self.fraction]
            self.curve.append((self.fraction, self.losses))
            if len(self.curve) >= _MOST_POINTS:
                del self.curve[1:-1:2]
        elif kind == "preview":
            self.preview_step = event["step"]
            self.preview_photos = event.get("photos", 0)
        elif kind == "finished":
            self.step = self.steps = event["steps"]
            self.fraction, self.seconds_left, self.seconds = 1.0, 0.0, event["seconds"]


def describe(order: Order, progress: Progress, *, is_long: bool) -> dict[str, Any]:
    """Return what clients are told of a training.

    Args:
        order: What was asked for.
        progress: How far it is.
        is_long: Whether the curve of its losses is part of it.
    """
    preview = None
    if progress.preview_step is not None:
        preview = {"step": progress.preview_step, "photos": progress.preview_photos}
    told: dict[str, Any] = {
        **{name: getattr(order, name) for name in ("name", "quality", "created")},
        **{name: getattr(progress, name) for name in ("state", "phase")},
        "text": progress.text or None,
        **{name: getattr(progress, name) for name in _TOLD},
        "preview": preview,
    }
    if is_long:
        told["curve"] = [{"fraction": fraction, **losses} for fraction, losses in progress.curve]
    return told


@dataclass(frozen=True)
class TrainingFolder:
    """The folder of one training.

    Attributes:
        path: The folder, which is called as the style.
    """

    path: Path

    @property
    def preview(self) -> Path:
        """The picture that the training renews."""
        return self.path / f"{self.path.name}.png"

    @property
    def checkpoint(self) -> Path:
        """What it goes on from."""
        return self.path / f"{self.path.name}.ckpt"

    @property
    def thumbnail(self) -> Path:
        """The painting as a small JPEG."""
        return self.path / "painting.thumbnail.jpg"

    @property
    def style(self) -> Path:
        """The style file that comes of it, in the folder of styles."""
        return self.path.parent.parent / f"{self.path.name}.onnx"

    @property
    def cancel(self) -> Path:
        """A file that asks the training to stop."""
        return self.path / "cancel"

    @property
    def log(self) -> Path:
        """All that the commands printed."""
        return self.path / "log.txt"

    def read_order(self) -> Order | None:
        """Return what was asked for; None if this is no training."""
        found = _read(self.path / "training.json")
        try:
            return None if found is None else Order(**{**found, "options": tuple(found["options"])})
        except (TypeError, KeyError):
            return None

    def write_order(self, order: Order) -> None:
        """Write what was asked for."""
        _write(self.path / "training.json", dataclasses.asdict(order))

    def read_progress(self) -> Progress:
        """Return how far it is."""
        found = _read(self.path / "progress.json")
        try:
            return Progress(state=STOPPED, phase=None) if found is None else Progress(**found)
        except TypeError:  # of another version
            return Progress(state=STOPPED, phase=None)

    def write_progress(self, progress: Progress) -> None:
        """Write how far it is."""
        _write(self.path / "progress.json", dataclasses.asdict(progress))


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _write(path: Path, value: object) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(value), encoding="utf-8")
