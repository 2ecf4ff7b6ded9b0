"""The page of the demo: one HTML file that contains all pictures."""

from __future__ import annotations

import base64
import html
import io
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

from PIL import Image

from fastnst.errors import FastnstError
from fastnst.model import keys

_CELL = 640  # longer side of a picture on the page, in pixels
_QUALITY = 85

_TITLES = {
    "kandinsky": "Kandinsky, Composition VII",
    "starry_night": "van Gogh, The Starry Night",
    "the_scream": "Munch, The Scream",
    "wave": "Hokusai, The Great Wave",
}


def render_demo_page(
    *,
    painting: Path,
    photos: Sequence[Path],
    painted: Path,
    model: Path,
    styles: Sequence[str],
    metadata: Mapping[str, str],
    seed: int,
) -> str:
    """Lay out the page: the painting, then a row for each photo with the photo and its stylised versions.

    Args:
        painting: The painting that the first style was trained from.
        photos: Image files.
        painted: The folder with `PHOTO.STYLE.jpg` for each photo and style.
        model: The first style's ONNX file.
        styles: Names of the styles; the first is the one just trained.
        metadata: The metadata of the first style's file, for the facts.
        seed: The painting's seed.

    Returns:
        HTML that refers to no other file.

    Raises:
        FastnstError: If a picture is missing or damaged.
    """
    rows = []
    for photo in photos:
        cells = [_figure(photo, "photo", photo.stem)]
        for number, style in enumerate(styles):
            caption = f"{style}, just trained" if number == 0 else style
            title = _TITLES.get(style, "the painting above")
            picture = painted / f"{photo.stem}.{style}{photo.suffix}"
            cells.append(_figure(picture, caption, f"{photo.stem} in the style of {title}", own=number == 0))
        rows.append(f'<section class="row">{"".join(cells)}</section>')
    facts = "".join(
        f"<div><dt>{html.escape(term)}</dt><dd>{html.escape(fact)}</dd></div>"
        for term, fact in _facts(model, metadata)
    )
    return _template().substitute(
        name=html.escape(styles[0]),
        painting=_image(painting, "The painting", size=900),
        facts=facts,
        rows="\n".join(rows),
        model=html.escape(shlex.quote(str(model))),
        next_seed=seed + 1,
    )


def _template() -> Template:
    return Template(Path(__file__).with_suffix(".html").read_text(encoding="utf-8"))


def _facts(model: Path, metadata: Mapping[str, str]) -> list[tuple[str, str]]:
    init = metadata.get(keys.TRAINING_INIT, "none")
    minutes, seconds = divmod(round(float(metadata[keys.TRAINING_SECONDS])), 60)
    return [
        ("trained in", f"{minutes}:{seconds:02} minutes"),
        ("on", f"{int(metadata['training.images']):,} crops, {metadata['training.data']} photos"),
        ("judged by", f"the loss network {metadata['training.loss_network']}"),
        ("began as", "random weights" if init == "none" else f"the style {init}"),
        ("the style", f"{model.name}, {model.stat().st_size / 1e6:.1f} MB, runs anywhere"),
    ]


def _figure(path: Path, caption: str, alt: str, *, own: bool = False) -> str:
    kind = ' class="own"' if own else ""
    return (
        f'<figure{kind}><button type="button">{_image(path, alt)}</button>'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def _image(path: Path, alt: str, *, size: int = _CELL) -> str:
    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    # A broken file makes decoders raise nearly anything.
    except Exception as error:
        raise FastnstError(f"{path} is missing or damaged: delete it and run the demo again") from error
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<img src="data:image/jpeg;base64,{data}" width="{image.width}" height="{image.height}" '
        f'alt="{html.escape(alt)}">'
    )
