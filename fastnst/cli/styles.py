"""`fastnst styles`: list the available styles."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from fastnst.cli.one_line import complain, note
from fastnst.errors import FastnstError
from fastnst.model import keys
from fastnst.model.metadata import read_metadata
from fastnst.terminal import printable

if TYPE_CHECKING:
    from fastnst.style_library import Style


@click.command(short_help="List the available styles.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all of each model's metadata.")
def styles(as_json: bool) -> None:
    """List the styles that --model finds by name.

    Styles come from a checkout's checkpoints/, from your own folder (the environment variable FASTNST_STYLES,
    else your platform's data folder) and from the installed package. Of several with one name, the first
    found is used. C is how much of a photo is lost, S3 how much of the style is missed: less is better.
    """
    from fastnst.style_library import list_styles, style_folders

    found = [(style, *_read(style)) for style in list_styles()]
    if as_json:
        entries = [
            {
                "name": style.name,
                "path": str(style.path),
                "source": style.source,
                "bytes": style.path.stat().st_size if style.path.exists() else None,
                "metadata": metadata,
                "error": error,
            }
            for style, metadata, error in found
        ]
        click.echo(json.dumps(entries, indent=2))
        return
    if not found:
        folders = ", ".join(str(folder) for _, folder in style_folders())
        note(f"no styles in {folders}")
        return
    rows: list[tuple[str, ...]] = [("style", "C", "S3", "MB", "style image", "from", "file")]
    for style, metadata, error in found:
        if error is not None:
            complain(error)
            continue
        rows.append(
            (
                style.name,
                _rounded(metadata.get(keys.CONTENT_LOST), 2),
                _rounded(metadata.get(keys.STYLE_MISSED), 3),
                f"{style.path.stat().st_size / 1e6:.1f}",
                metadata.get(keys.STYLE_SHA256, "")[:12] or "-",
                style.source,
                str(style.path),
            )
        )
    rows = [tuple(printable(cell) for cell in row) for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _read(style: Style) -> tuple[dict[str, str], str | None]:
    try:
        return read_metadata(style.path), None
    except FastnstError as error:
        return {}, str(error)


def _rounded(text: str | None, digits: int) -> str:
    try:
        return f"{float(text or ''):.{digits}f}"
    except ValueError:
        return "-"
