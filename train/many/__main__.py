"""Train many styles: `python -m train.many styles/*.jpg --data photos/`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastnst.errors import INTERRUPTED, MISTAKE, FastnstError
from fastnst.terminal import json_line
from train.command import print_result, run_command, write_result
from train.many.options import ManyOptions, read_arguments
from train.many.places import describe_places, find_places
from train.many.pool import train_all
from train.many.ray_cluster import train_on_cluster
from train.many.style_run import DONE, StyleRun
from train.many.table import style_rows, table_lines, write_table
from train.many.view import View


def main(arguments: Sequence[str] | None = None) -> int:
    """Train many styles.

    Args:
        arguments: The command line without the program; None takes the process's.

    Returns:
        The exit code: 0 if every style is trained and exported, 2 for a mistake or a style that failed, 130
        when interrupted.
    """
    return run_command(
        "many", lambda: _train(read_arguments(sys.argv[1:] if arguments is None else arguments))
    )


def _train(options: ManyOptions) -> int:
    output = options.config.output
    logs = output / f"{options.group}.logs"
    try:
        logs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FastnstError(f"cannot write to {output}: {error.strerror or error}") from error
    runs = [StyleRun(name, path, logs / f"{name}.log") for name, path in options.paintings.items()]
    view = View(runs, as_events=options.as_events)
    # wandb shows the runs of a group together; a name of the user's own stays.
    os.environ.setdefault("WANDB_RUN_GROUP", options.group)
    if options.ray is not None:
        interrupted = train_on_cluster(runs, options, view)
    else:
        places = find_places(options.config, options.jobs, len(runs))
        view.say(f"{len(runs)} styles, {describe_places(places)}; {logs}/ has what each of them tells")
        interrupted = train_all(runs, options.training, places, view)
    view.close()
    _report(runs, options, view, to_dashboard=not interrupted)
    if interrupted and any(run.state not in (*DONE, "failed") for run in runs):
        return INTERRUPTED
    return MISTAKE if any(run.state == "failed" for run in runs) else 0


def _report(runs: Sequence[StyleRun], options: ManyOptions, view: View, *, to_dashboard: bool) -> None:
    """Write the table and the sheet, send them to the dashboard, and print the table."""
    output, group = options.config.output, options.group
    rows = style_rows(runs)
    before = _table_before(output / f"{group}.json")
    known: dict[str, str] = before.get("dashboard") or {}
    table = write_table(output, group, rows, dashboard=known)
    sheet = None
    if to_dashboard and any(run.model for run in runs):
        sheet, known = _show(runs, options, view, before)
        if known:
            write_table(output, group, rows, dashboard=known)
    if options.as_json:
        for row in rows:
            print_result(json_line(row._asdict()))
    else:
        for line in table_lines(rows):
            print_result(line)
    view.say(f"table: {table}")
    if sheet is not None:
        view.say(f"sheet: {sheet}")


def _show(
    runs: Sequence[StyleRun], options: ManyOptions, view: View, before: dict[str, Any]
) -> tuple[Path | None, dict[str, str]]:
    """Draw the sheet and send all to the dashboard; return the sheet's file and the dashboard's run."""
    # Imported now that no training needs the memory: it takes seconds.
    from train.many.pictures import paint_strips
    from train.many.sheet import compose_sheet
    from train.report.style_table import log_style_table

    view.say("painting the sheet")
    rows = style_rows(runs)
    known: dict[str, str] = before.get("dashboard") or {}
    try:
        photos, strips = paint_strips(runs, options.config)
    except FastnstError as error:
        view.say(f"no sheet: {error}")
        photos, strips = [], {}
    path = picture = None
    if strips:
        texts = {row.style: _figures(row.C, row.S3) for row in rows}
        sheet = compose_sheet(photos, {name: (strip, texts[name]) for name, strip in strips.items()})
        path, picture = options.config.output / f"{options.group}.jpg", sheet
        write_result(path, lambda temporary: sheet.save(temporary, "JPEG", quality=90))
    if not known or _without_state([row._asdict() for row in rows]) != _without_state(before["styles"]):
        known = log_style_table(options.config, options.group, rows, strips, picture, known, view.say)
    return path, known


def _figures(content: float | None, style: float | None) -> str:
    return "" if content is None or style is None else f"C {content:.3f}  S3 {style:.4f}"


def _without_state(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row | {"state": ""} for row in rows]


def _table_before(path: Path) -> dict[str, Any]:
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return before if isinstance(before, dict) and isinstance(before.get("styles"), list) else {}


if __name__ == "__main__":
    sys.exit(main())
