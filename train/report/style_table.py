"""Many styles on one dashboard: their table with pictures, as a run of its own beside those of the styles."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger
from PIL import Image

from train.config import TrainingConfig
from train.report.style_row import StyleRow
from train.report.tracking import close_logger, describe_logger, make_logger, run_identity

log = logging.getLogger(__name__)

JOB_TYPE = "table"
"""What tells the run of the table from those of the styles on wandb."""

_NUMBERS = {"C": "quality/content", "S3": "quality/style", "flicker": "quality/flicker", "seconds": "seconds"}


def log_style_table(
    config: TrainingConfig,
    group: str,
    rows: Sequence[StyleRow],
    strips: Mapping[str, Image.Image],
    sheet: Image.Image | None,
    previous_run: Mapping[str, str],
    say: Callable[[str], object],
) -> dict[str, str]:
    """Send the table of many styles to the dashboard that the options name.

    wandb gets a run of the group with the table `styles`, a row and a picture a style, and the `sheet`.
    TensorBoard gets the table as text, the sheet, and each style in its table of hyperparameters, where rows
    can be sorted. A failure is logged and passed over: the styles themselves are done.

    Args:
        config: The options of the trainings.
        group: The name of the group and of its run.
        rows: The table.
        strips: A picture for each style that has one: the painting and painted photos, RGB.
        sheet: All of them in one; None if there is none.
        previous_run: What this returned for the same group before; empty at the first time.
        say: Is given a line that says where the table is, if it is anywhere.

    Returns:
        What finds the run again; empty without wandb.
    """
    config = dataclasses.replace(config, name=group)
    try:
        logger = make_logger(config, previous_run, group=group, job_type=JOB_TYPE)
        if isinstance(logger, WandbLogger):
            _log_to_wandb(logger, rows, strips, sheet)
        elif isinstance(logger, TensorBoardLogger):
            _log_to_tensorboard(logger, rows, sheet)
        else:  # the CSV file of the table holds the same
            return {}
        identity = run_identity(logger)
        say(describe_logger(logger).replace("curves", "dashboard", 1))
        close_logger(logger)
    except Exception as error:  # noqa: BLE001 - whatever a dashboard raises, the styles are done
        log.warning("the table is not on the dashboard: %s", " ".join(str(error).split()))
        return dict(previous_run)
    return identity


def _log_to_wandb(
    logger: WandbLogger,
    rows: Sequence[StyleRow],
    strips: Mapping[str, Image.Image],
    sheet: Image.Image | None,
) -> None:
    import wandb

    columns = ["style", "sheet", "C", "S3", "flicker", "seconds", "steps", "state", "reason"]
    table = wandb.Table(columns=columns)
    for row in rows:
        strip = strips.get(row.style)
        picture = None if strip is None else wandb.Image(strip, caption=row.style)
        values = row._asdict() | {"sheet": picture}
        table.add_data(*(values[column] for column in columns))
    logged: dict[str, Any] = {"styles": table}
    if sheet is not None:
        logged["sheet"] = wandb.Image(sheet)
    logger.experiment.log(logged)


def _log_to_tensorboard(
    logger: TensorBoardLogger, rows: Sequence[StyleRow], sheet: Image.Image | None
) -> None:
    writer = logger.experiment
    writer.add_text("styles", _markdown(rows), 0)
    if sheet is not None:
        writer.add_image("sheet", np.asarray(sheet), 0, dataformats="HWC")
    for row in rows:
        numbers = {key: value for name, key in _NUMBERS.items() if (value := getattr(row, name)) is not None}
        if numbers:
            writer.add_hparams({"style": row.style}, numbers, run_name=f"styles/{row.style}")
    with contextlib.suppress(AttributeError):
        writer.flush()


def _markdown(rows: Sequence[StyleRow]) -> str:
    columns = ("style", *_NUMBERS, "state")
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        values = ("" if (value := getattr(row, column)) is None else value for column in columns)
        cells = (f"{value:.4g}" if isinstance(value, float) else str(value) for value in values)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)
