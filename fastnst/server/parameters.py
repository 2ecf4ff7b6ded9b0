"""The parameters of painting: one table, by which requests are read and the API is described."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fastnst.errors import FastnstError
from fastnst.image.encode import WRITABLE_SUFFIXES
from fastnst.painter import MAX_STRENGTH, MIN_SIZE
from fastnst.server.errors import ApiError
from fastnst.server.sent_paintings import IMAGE as STYLE_IMAGE
from fastnst.server.sent_paintings import SentPaintings, sent_paintings
from fastnst.style_library import parse_blend

Blend = dict[str, float]
"""Styles by their names, with their weights."""

MOST_STYLES = 8
"""Styles and regions that one request may have: each takes memory for a picture."""

_TRUE, _FALSE = ("true", "1", "on", "yes"), ("false", "0", "off", "no")


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    Attributes:
        name: As in the command's option, with underscores.
        kind: `text`, `number`, `integer`, `boolean`, or `file`, which only forms have.
        help: What it does.
        default: Its value where it is left out.
        least: The least value of a number.
        most: The greatest.
        choices: What a text may be.
        is_list: Whether it may come several times.
    """

    name: str
    kind: str
    help: str
    default: Any = None
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    is_list: bool = False

    def read(self, text: str) -> Any:
        """Return the value that a text stands for.

        Raises:
            ApiError: 400 if it is none, 422 if it is out of range.
        """
        if self.kind == "text":
            text = text.strip()
            if self.choices and (text := text.lower().lstrip(".")) not in self.choices:
                raise ApiError(
                    422, f"{self.name} must be one of {', '.join(self.choices)}, not {text[:40]!r}"
                )
            return text
        if self.kind == "boolean":
            if text.lower() not in (*_TRUE, *_FALSE):
                raise ApiError(400, f"{self.name} must be true or false, not {text[:40]!r}")
            return text.lower() in _TRUE
        try:
            value = float(text) if self.kind == "number" else int(text)
        except ValueError:
            kind = "number" if self.kind == "number" else "whole number"
            raise ApiError(400, f"{self.name} must be a {kind}, not {text[:40]!r}") from None
        least = -math.inf if self.least is None else self.least
        most = math.inf if self.most is None else self.most
        if not least <= value <= most:  # NaN too
            bounds = f"{least:g} to {most:g}" if most < math.inf else f"at least {least:g}"
            raise ApiError(422, f"{self.name} must be {bounds}, not {text[:40]}")
        return value


PARAMETERS = (
    Parameter(
        "style",
        "text",
        "A style's name. Several mix these styles, each with its weight, as wave:0.7, or all in equal parts.",
        is_list=True,
    ),
    Parameter(
        STYLE_IMAGE,
        "file",
        "A painting in the place of a style, which needs no training. Several are mixed.",
        is_list=True,
    ),
    Parameter(
        f"{STYLE_IMAGE}_weight",
        "number",
        "For each painting its weight; by default, all count the same.",
        least=0,
        most=1e6,
        is_list=True,
    ),
    Parameter("strength", "number", "How much style; 0 is the photo.", 1.0, 0, MAX_STRENGTH),
    Parameter("preserve_color", "boolean", "Keep the photo's colours.", False),
    Parameter(
        "size", "integer", "Longer side to paint at, in pixels; less is a larger brush.", None, MIN_SIZE
    ),
    Parameter("detail", "number", "How much detail lost to size comes back.", 0.0, 0, 1),
    Parameter("mask", "file", "An image; the photo is painted where it is white."),
    Parameter("region", "text", "A style, or a blend of several, for a part of the photo.", is_list=True),
    Parameter("region_mask", "file", "For each region an image that is white there.", is_list=True),
    Parameter(
        "format",
        "text",
        "The result's format. By default, the image's own, or PNG.",
        choices=tuple(suffix[1:] for suffix in WRITABLE_SUFFIXES),
    ),
    Parameter("quality", "integer", "Quality of JPEG, WebP and AVIF.", 95, 1, 100),
    Parameter(
        "first_frame", "boolean", "Take the first frame of an animation, the first page of a TIFF.", False
    ),
)
"""Every parameter beside `image`, the photo."""

IMAGE = "image"
"""The photo's name in a form."""

_BY_NAME = {parameter.name: parameter for parameter in PARAMETERS}


@dataclass(frozen=True)
class Wish:
    """What a request asks for.

    Attributes:
        image: The photo's file.
        styles: The style outside of regions, or None.
        paintings: What is in its place, or None.
        regions: Pairs of a style and the file of its mask.
        mask: The mask's file.
        strength: As for `Painter`.
        preserve_color: As for `Painter`.
        size: As for `Painter`.
        detail: As for `Painter`.
        suffix: The result's format as a suffix, or None for the photo's own.
        quality: As for `encode_image`.
        first_frame: As for `read_image`.
    """

    image: bytes
    styles: Blend | None
    paintings: SentPaintings | None = None
    regions: tuple[tuple[Blend, bytes], ...] = ()
    mask: bytes | None = None
    strength: float = 1.0
    preserve_color: bool = False
    size: int | None = None
    detail: float = 0.0
    suffix: str | None = None
    quality: int = 95
    first_frame: bool = False

    @property
    def names(self) -> list[str]:
        """The known styles that paint, each once."""
        blends = [self.styles or {}, *(blend for blend, _ in self.regions)]
        return list(dict.fromkeys(name for blend in blends for name, weight in blend.items() if weight))


def read_wish(
    image: bytes | None,
    texts: Iterable[tuple[str, str]],
    files: Iterable[tuple[str, bytes]],
    known: Mapping[str, Any],
) -> Wish:
    """Return what a request's parameters ask for.

    Args:
        image: The photo's file, if it is the body; otherwise it is among the files.
        texts: Names and values of the query and of the form.
        files: Names and contents of the form's files.
        known: The known styles by their names; only these are painted with.

    Raises:
        ApiError: 400 if they are malformed, 422 if they cannot be met.
    """
    values: dict[str, list[Any]] = {}
    for name, text in texts:
        parameter = _parameter(name)
        if parameter.kind == "file":
            raise ApiError(400, f"{name} is a file: send it as one, in a form")
        values.setdefault(name, []).append(parameter.read(text))
    for name, data in files:
        if name == IMAGE:
            if image is not None:
                raise ApiError(400, f"{IMAGE} comes twice: send one photo a request")
            image = data
        elif _parameter(name).kind != "file":
            raise ApiError(400, f"{name} is no file: send it as text")
        else:
            values.setdefault(name, []).append(data)
    for name, several in values.items():
        if len(several) > 1 and not _BY_NAME[name].is_list:
            raise ApiError(400, f"{name} comes twice: give it once")
    if not image:
        raise ApiError(400, f"there is no image: send it as the body, or as the file {IMAGE!r} of a form")

    def one(name: str) -> Any:
        return values.get(name, [_BY_NAME[name].default])[0]

    regions, masks = values.get("region", []), values.get("region_mask", [])
    if len(regions) != len(masks):
        raise ApiError(
            400, f"there are {len(regions)} region and {len(masks)} region_mask: give each its own"
        )
    wish = Wish(
        image=image,
        styles=_blend(values["style"], known) if "style" in values else None,
        paintings=sent_paintings(values.get(STYLE_IMAGE, []), values.get(f"{STYLE_IMAGE}_weight", [])),
        regions=tuple((_blend([text], known), mask) for text, mask in zip(regions, masks, strict=True)),
        mask=one("mask"),
        strength=one("strength"),
        preserve_color=one("preserve_color"),
        size=one("size"),
        detail=one("detail"),
        suffix=None if one("format") is None else f".{one('format')}",
        quality=one("quality"),
        first_frame=one("first_frame"),
    )
    if wish.styles is not None and wish.paintings is not None:
        raise ApiError(400, f"give either style or {STYLE_IMAGE}")
    if wish.styles is None and wish.paintings is None and not wish.regions:
        raise ApiError(400, f"give a style: there are {', '.join(list(known)[:8])}")
    if len(values.get(STYLE_IMAGE, [])) > MOST_STYLES:
        raise ApiError(422, f"give at most {MOST_STYLES} {STYLE_IMAGE}")
    if len(wish.names) > MOST_STYLES or len(wish.regions) > MOST_STYLES:
        raise ApiError(422, f"give at most {MOST_STYLES} styles and {MOST_STYLES} regions")
    return wish


def _parameter(name: str) -> Parameter:
    if name not in _BY_NAME:
        near = difflib.get_close_matches(name, [*_BY_NAME, IMAGE], n=1)
        advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(_BY_NAME)}"
        raise ApiError(400, f"there is no parameter {name[:40]!r}: {advice}")
    return _BY_NAME[name]


def _blend(texts: list[str], known: Mapping[str, Any]) -> Blend:
    """Return the known styles that texts name, with their weights. No text is ever taken for a path."""
    if len(texts) == 1 and texts[0] in known:  # whatever characters the name has
        return {texts[0]: 1.0}
    try:
        blend = parse_blend(",".join(texts))
    except FastnstError as error:
        raise ApiError(422, str(error)) from None
    for name in blend:
        if name not in known:
            near = difflib.get_close_matches(name.lower(), list(known), n=3, cutoff=0.5)
            advice = (
                f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(list(known)[:8])}"
            )
            raise ApiError(422, f"no style is called {name[:80]!r}: {advice}")
    return blend
