"""A MkDocs hook: the gallery's sliders, from the catalogue of styles and the pictures of `make gallery`."""

import io
import re
import runpy
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
PHOTOS = "checkpoints/gallery/photos.jpg"
_ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
_SLIDER = """
<section class="style" markdown>
## {name}
{painting}
{{ .painting }}

<div class="slider">
<img src="{photos}" alt="The photo" loading="lazy">
<div class="painted">
<img src="checkpoints/gallery/{name}.jpg" alt="The photo painted as {name}" loading="lazy">
</div>
<input type="range" min="0" max="100" value="50" aria-label="{name}: how much of the photo is left unpainted">
</div>

{text}

C {content}, S3 {style}, flicker {flicker}
{{ .measures }}
</section>
"""


def on_files(files: Files, config: Any) -> Files:
    """Add the photos as they are, beside each other as the painted ones are, and the painted ones."""
    strip = runpy.run_path(str(ROOT / "checkpoints" / "gallery" / "paint_styles.py"))
    jpeg = io.BytesIO()
    strip["beside"](strip["sample_photos"]()).save(jpeg, "JPEG", quality=85)
    files.append(File.generated(config, PHOTOS, content=jpeg.getvalue()))
    for name in _catalogue():
        path = f"checkpoints/gallery/{name}.jpg"
        if files.get_file_from_path(path) is None:
            files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put a slider for each style of the catalogue in place of `<!-- styles -->`."""
    if "<!-- styles -->" not in markdown:
        return markdown
    text = (ROOT / "checkpoints" / "README.md").read_text(encoding="utf-8")
    parts = []
    for name, (_style, painting, _rights, content, style, flicker, _time) in _catalogue().items():
        found = re.search(rf"^## {name}\n\n!\[[^\n]*\n\n(.*?)\n*(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
        described = found[1] if found else ""
        parts.append(
            _SLIDER.format(
                name=name,
                painting=painting,
                text=described,
                photos=PHOTOS,
                content=content,
                style=style,
                flicker=flicker,
            )
        )
    return markdown.replace("<!-- styles -->", "\n".join(parts))


def _catalogue() -> dict[str, tuple[str, ...]]:
    """Return the cells of each style's row in the catalogue."""
    text = (ROOT / "checkpoints" / "README.md").read_text(encoding="utf-8")
    return {row[0]: row for row in _ROW.findall(text)}
