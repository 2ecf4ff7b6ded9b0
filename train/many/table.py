"""The table of the styles: on the terminal, as CSV, and as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastnst.terminal import printable
from train.command import write_result
from train.many.style_run import StyleRun
from train.report.style_row import StyleRow

_DIGITS = {"C": 3, "S3": 4, "flicker": 2, "seconds": 0}


def style_rows(runs: Sequence[StyleRun]) -> list[StyleRow]:
    """Return the table: a row for each style, in the order of the runs."""
    return [
        StyleRow(
            style=run.name,
            C=run.result.get("C"),
            S3=run.result.get("S3"),
            flicker=run.result.get("flicker"),
            seconds=run.result.get("seconds"),
            steps=run.result.get("steps"),
            state=run.state,
            reason=run.reason,
            painting=str(run.painting),
            checkpoint=run.result.get("checkpoint", ""),
            model="" if run.model is None else str(run.model),
        )
        for run in runs
    ]


def write_table(folder: Path, group: str, rows: Sequence[StyleRow], **more: Any) -> Path:
    """Write the table as `GROUP.csv` and `GROUP.json`.

    Args:
        folder: Where to.
        group: The name of the table.
        rows: What `style_rows` returned.
        more: What the JSON file holds beside the `styles`.

    Returns:
        The CSV file.

    Raises:
        FastnstError: If a file cannot be written.
    """
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, StyleRow._fields, lineterminator="\n")
    table.writeheader()
    table.writerows(
        {key: "" if value is None else value for key, value in row._asdict().items()} for row in rows
    )
    path = folder / f"{group}.csv"
    _write(path, text.getvalue())
    content = {"group": group, **more, "styles": [row._asdict() for row in rows]}
    _write(folder / f"{group}.json", json.dumps(content, indent=2) + "\n")
    return path


def table_lines(rows: Sequence[StyleRow]) -> list[str]:
    """Return the lines of the table for the terminal; what was not measured is a dash."""
    header = ["style", "C", "S3", "flicker", "seconds", "state"]
    cells = [header]
    for row in rows:
        numbers = []
        for name, digits in _DIGITS.items():
            value = getattr(row, name)
            numbers.append("-" if value is None else f"{value:.{digits}f}")
        cells.append([printable(row.style), *numbers, row.state])
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return [
        "  ".join(
            [
                f"{line[0]:{widths[0]}}",
                *(f"{cell:>{width}}" for cell, width in zip(line[1:-1], widths[1:-1], strict=True)),
                line[-1],
            ]
        )
        for line in cells
    ]


def _write(path: Path, text: str) -> None:
    write_result(
        path, lambda temporary: temporary.write_text(text, encoding="utf-8", errors="surrogateescape")
    )
