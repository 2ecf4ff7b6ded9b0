"""The options of every command that paints: which styles, where, how strongly, with which brush."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastnst.cli.model_options import model_options
from fastnst.errors import FastnstError
from fastnst.style_library import parse_blend, parse_paintings

if TYPE_CHECKING:
    from fastnst.painter import Painter

Command = Callable[..., None]


@dataclass(frozen=True)
class PainterOptions:
    """The options of a command line that describe the Painter, as they were typed."""

    model: str | None
    style: tuple[str, ...]
    blend: str | None
    region: tuple[str, ...]
    strength: float
    preserve_color: bool
    mask: str | None
    size: int | None
    detail: float
    input_range: str | None
    bgr: bool | None

    def __post_init__(self) -> None:
        if self.model is None and not self.style and self.blend is None and not self.region:
            raise click.UsageError("Missing option '-m' / '--model', '--style', '--blend' or '--region'.")
        if self.model is not None and self.blend is not None:
            raise FastnstError("give --model or --blend, not both: the blend names its styles itself")
        if self.style and (self.model is not None or self.blend is not None):
            raise FastnstError(
                "give --style alone: a blend mixes styles and paintings, --blend wave:0.5,painting.jpg:0.5"
            )

    def result_name(self) -> str:
        """Return the style's part of result names: the styles' names, joined by +.

        Raises:
            FastnstError: If an option is malformed, or there is no such style.
        """
        blends = [self._style or {}, *(blend for blend, _ in self._regions)]
        return "+".join(
            dict.fromkeys(path.stem for blend in blends for path in blend if isinstance(path, Path))
        )

    def open(
        self,
        *,
        device: str = "auto",
        threads: int | None = None,
        tile: int | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> Painter:
        """Return the Painter that the options describe, with its models loaded; arguments as for `Stylizer`.

        Raises:
            FastnstError: If an option is malformed or out of its range, or a style or mask does not open.
        """
        from fastnst.painter import Painter

        return Painter(
            self._style,
            regions=self._regions,
            strength=self.strength,
            preserve_color=self.preserve_color,
            mask=self.mask,
            size=self.size,
            detail=self.detail,
            device=device,
            threads=threads,
            tile=tile,
            on_progress=on_progress,
            input_range=self.input_range,
            bgr=self.bgr,
        )

    @functools.cached_property
    def _style(self) -> dict[str | Path, float] | None:
        if self.style:
            return {freeze_paintings(self.style): 1.0}
        if self.blend is not None:
            return _find(parse_blend(self.blend))
        return None if self.model is None else _find({self.model: 1.0})

    @functools.cached_property
    def _regions(self) -> list[tuple[dict[str | Path, float], str]]:
        regions = []
        for text in self.region:
            style, _, mask = text.partition("=")
            if not style or not mask:
                raise FastnstError(f"--region takes STYLE=MASK, as wave=sky.png, not {text!r}")
            regions.append((_find(parse_blend(style)), mask))
        return regions


def _find(blend: dict[str, float]) -> dict[str | Path, float]:
    """Return a blend with the file of each style in it; a style without weight need not be at hand."""
    from fastnst.arbitrary.frozen_files import find_or_freeze

    found: dict[str | Path, float] = {}
    for name, weight in blend.items():
        style = find_or_freeze(name) if weight > 0 else name
        found[style] = found.get(style, 0.0) + weight
    return found


def freeze_paintings(texts: Sequence[str]) -> Path:
    """Return the frozen style of the paintings that `--style` names, as `wave.jpg` or `wave.jpg:0.7`.

    Raises:
        FastnstError: If a painting comes twice or has no name, some have weights and others none, or one
            cannot be frozen.
    """
    from fastnst.arbitrary.frozen_files import frozen_file

    return frozen_file(parse_paintings(texts))


STYLE_OPTION = click.option(
    "--style",
    multiple=True,
    metavar="PAINTING[:WEIGHT]",
    help="A painting in place of -m, not trained; may be repeated.",
)

_OPTIONS = (
    click.option("-m", "--model", metavar="STYLE", help="A style's name, or an ONNX file."),
    STYLE_OPTION,
    click.option("--blend", metavar="STYLE:WEIGHT,...", help="A mix in place of -m: kandinsky:0.7,wave:0.3."),
    click.option(
        "--region", multiple=True, metavar="STYLE=MASK", help="STYLE where MASK is white; may be repeated."
    ),
    click.option("--mask", metavar="FILE", help="Paint where this image is white."),
    click.option(
        "--strength",
        type=float,
        default=1.0,
        show_default=True,
        metavar="0-2",
        help="How much style; 0 is the photo.",
    ),
    click.option("--preserve-color", is_flag=True, help="Keep the photo's colours."),
    click.option(
        "--size", type=int, metavar="PIXELS", help="Longer side to paint at; less is a larger brush."
    ),
    click.option(
        "--detail",
        type=float,
        default=0.0,
        metavar="0-1",
        help="How much detail lost to --size comes back.",
    ),
)


def painter_options(command: Command) -> Command:
    """Add the options to a click command, which is called with them as one `painter: PainterOptions`."""

    @functools.wraps(command)
    def with_painter(*arguments: Any, **options: Any) -> None:
        own = {name: options.pop(name) for name in PainterOptions.__dataclass_fields__}
        command(*arguments, painter=PainterOptions(**own), **options)

    result = model_options(with_painter)
    for option in reversed(_OPTIONS):
        result = option(result)
    return result
