"""Where a run's curves, pictures and model go: wandb, TensorBoard, a CSV file, or nowhere."""

from __future__ import annotations

import contextlib
import csv
import logging
import netrc
import os
import re
import shlex
import urllib.parse
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.fabric.loggers import Logger
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from lightning.pytorch.loggers import Logger as TrainerLogger
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from PIL import Image

from train.config import TrainingConfig
from train.network.record import Quality
from train.report.steady_wandb_logger import SteadyWandbLogger

log = logging.getLogger(__name__)

_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def make_logger(
    config: TrainingConfig, previous_run: Mapping[str, str], first_step: int = 0, **wandb_options: str
) -> TrainerLogger | None:
    """Open the logger that the options name.

    With wandb, the run is online when the user is logged in and offline otherwise; `WANDB_MODE` decides
    where it is set. When the servers cannot be reached the run goes on offline.

    Args:
        config: The run's options.
        previous_run: What `run_identity` returned before the run was interrupted, so that its curves go
            on; empty for a new run.
        first_step: The step that the run goes on from.
        wandb_options: More of what `wandb.init` takes, such as the `group`.

    Returns:
        The logger, or None.
    """
    if config.logger == "none" or (config.logger == "wandb" and _wandb_mode() == "disabled"):
        return None
    if config.logger == "tensorboard":
        return TensorBoardLogger(config.output, name="tensorboard", version=config.style_name)
    if config.logger == "csv":
        return _csv_logger(config, first_step)
    return _wandb_logger(config, previous_run, wandb_options)


def describe_logger(logger: Logger | None) -> str:
    """Return one line for the user: where the curves are, and how to see them."""
    if isinstance(logger, WandbLogger):
        run = logger.experiment
        # Processes other than the first hold a stand-in that answers anything.
        if getattr(run, "offline", False) is True:
            # Each resumed part of a run, and its exported model, is a folder with the run's id.
            parts = f"{_short(Path(run.dir).parent.parent)}/offline-run-*-{run.id}"
            return f"curves: wandb is offline; log in and `wandb sync {parts}` uploads them"
        return f"curves: {run.url}"
    if isinstance(logger, TensorBoardLogger):
        return f"curves: tensorboard --logdir {_short(Path(logger.root_dir))}"
    if isinstance(logger, CSVLogger):
        return f"curves: {_short(Path(logger.log_dir) / 'metrics.csv')}"
    return "curves: not kept"


def run_identity(logger: Logger | None) -> dict[str, str]:
    """Return what finds a wandb run again, as plain strings; empty for any other logger."""
    if not isinstance(logger, WandbLogger):
        return {}
    run = logger.experiment
    if not isinstance(run.id, str):  # wandb disabled by the user
        return {}
    return {
        "logger": "wandb",
        "id": run.id,
        "project": str(run.project),
        "mode": "offline" if run.offline else "online",
        "folder": str(logger.save_dir),
    }


def log_picture(logger: Logger | None, key: str, picture: Image.Image, step: int) -> None:
    """Send a picture to the dashboard; loggers without pictures pass it over.

    Args:
        logger: The run's logger.
        key: Its name, such as `val/preview`.
        picture: An RGB image.
        step: The optimizer step it belongs to.
    """
    if isinstance(logger, WandbLogger):
        logger.log_image(key, [picture], step=step, caption=[f"step {step}"])
    elif isinstance(logger, TensorBoardLogger):
        import numpy as np

        logger.experiment.add_image(key, np.asarray(picture), step, dataformats="HWC")


def log_quality(logger: Logger | None, quality: Quality, step: int) -> None:
    """Log C and S3, in total, per layer and per scale.

    Args:
        logger: The run's logger.
        quality: The measure.
        step: The optimizer step it belongs to.
    """
    if logger is None:
        return
    metrics = {
        "quality/content": quality.content,
        "quality/style": quality.style,
        "quality/style_at_trained_size": quality.style_at_trained_size,
    }
    if quality.flicker is not None:
        metrics["quality/flicker"] = quality.flicker
    metrics |= {f"quality/content/{layer}": value for layer, value in quality.content_by_layer.items()}
    metrics |= {f"quality/style/{layer}": value for layer, value in quality.style_by_layer.items()}
    metrics |= {f"quality/style/scale/{scale}": value for scale, value in quality.style_by_scale.items()}
    logger.log_metrics(metrics, step)


def close_logger(logger: Logger | None) -> None:
    """Write out what the logger still holds, and end the run on the dashboard."""
    if logger is None:
        return
    logger.save()
    logger.finalize("success")
    if isinstance(logger, SteadyWandbLogger):
        logger.finish()


def ran_beside(run: Mapping[str, str], folder: Path) -> bool:
    """Return whether a wandb run was recorded in a folder.

    A checkpoint from elsewhere may name any project of the user's account; the files of the run, which wandb
    wrote beside the checkpoint, did not come with it.

    Args:
        run: What a checkpoint says that `run_identity` returned.
        folder: The checkpoint's folder.
    """
    known = run.get("logger") == "wandb" and _RUN_ID.fullmatch(str(run.get("id"))) is not None
    return known and any(
        path.is_file()
        for name in ("wandb", ".wandb")  # which wandb takes if it is there
        for path in folder.glob(f"{name}/*run-*-{run['id']}/run-{run['id']}.wandb")
    )


def log_model_artifact(run: Mapping[str, str], folder: Path, model: Path) -> None:
    """Add an exported model to the wandb run that trained it, as an artifact of type `model`.

    A failure is logged and passed over: the model itself is done.

    Args:
        run: What `run_identity` returned when it was trained; nothing happens when it is empty, or if the
            run was not recorded in the folder.
        folder: The folder of the checkpoint and of wandb's files.
        model: The ONNX file.
    """
    if not ran_beside(run, folder):
        return
    import wandb

    try:
        _give_wandb_folders(folder)
        online = run["mode"] == "online"
        artifact = wandb.Artifact(artifact_name(model.stem), type="model")
        artifact.add_file(str(model))
        with wandb.init(
            id=run["id"],
            project=run["project"],
            dir=folder,
            mode="online" if online else "offline",
            # Offline parts of one run are put together when they are synced.
            resume="allow" if online else None,
            settings=_quiet_settings(offline=not online),
        ) as resumed:
            resumed.log_artifact(artifact)
    except Exception as error:  # noqa: BLE001 - whatever wandb raises, the export has succeeded
        log.warning("the model was not added to the wandb run: %s", error)


def _csv_logger(config: TrainingConfig, first_step: int) -> CSVLogger:
    # Each point is written at once: a killed run keeps its curves.
    logger = CSVLogger(config.output, name="csv", version=config.style_name, flush_logs_every_n_steps=1)
    rows: list[Any] = []
    path = Path(logger.log_dir) / "metrics.csv"
    if first_step and path.exists():
        with path.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if int(row["step"]) <= first_step]
    if getattr(rank_zero_only, "rank", 0) == 0:
        # Opening it deletes the file, so what came before is written anew.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logger.experiment.metrics.extend(rows)
        logger.save()
    return logger


def artifact_name(style: str) -> str:
    """Return the name that wandb shows a style's model under; wandb takes letters, digits and `-_.` alone."""
    return "style-" + re.sub(r"[^A-Za-z0-9_.-]", "_", style)


def _wandb_logger(
    config: TrainingConfig, previous_run: Mapping[str, str], more: Mapping[str, str]
) -> SteadyWandbLogger:
    import wandb

    config.output.mkdir(parents=True, exist_ok=True)
    _give_wandb_folders(config.output)
    offline = _wandb_mode() != "online"
    run_id = str(previous_run.get("id", ""))  # the user's own project, whatever the checkpoint says
    # Once for the process as well, or else wandb warns of what it is about to do.
    wandb.setup(_quiet_settings(offline))
    options: dict[str, Any] = {
        "name": config.style_name,
        "project": config.wandb_project,
        "id": run_id if _RUN_ID.fullmatch(run_id) else None,
        "save_dir": config.output,
        "log_model": False,  # a checkpoint a minute would fill the user's account
        "settings": _quiet_settings(offline),
        **more,
    }
    logger = SteadyWandbLogger(offline=offline, resume=None if offline else "allow", **options)
    if not offline:
        try:
            _ = logger.experiment  # connects
        except (wandb.errors.CommError, wandb.errors.UsageError) as error:
            log.warning("wandb cannot be reached (%s): going on offline", error)
            options["settings"] = _quiet_settings(offline=True)
            logger = SteadyWandbLogger(offline=True, resume=None, **options)
    return logger


def _give_wandb_folders(output: Path) -> None:
    """Have wandb keep its logs and copies beside its runs if the user's home cannot be written to.

    Its own process would otherwise print its log on the terminal.
    """
    from wandb import env

    for variable, usual in ((env.CACHE_DIR, env.get_cache_dir()), (env.DATA_DIR, env.get_data_dir())):
        folder = Path(usual)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            writable = os.access(folder, os.W_OK)
        except OSError:
            writable = False
        if not writable:
            os.environ[variable] = str(output.resolve() / "wandb" / ".home")


def _quiet_settings(offline: bool) -> Any:
    import wandb

    # One line of our own says where the run is. Capturing the terminal would garble the progress bar.
    mode = "offline" if offline else "online"
    return wandb.Settings(silent=True, console="off", init_timeout=30, mode=mode)


def _wandb_mode() -> str:
    chosen = os.environ.get("WANDB_MODE")
    if chosen:
        return chosen
    if os.environ.get("WANDB_API_KEY"):
        return "online"
    host = urllib.parse.urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    with contextlib.suppress(OSError, netrc.NetrcParseError):
        if netrc.netrc(os.environ.get("NETRC")).authenticators(host):
            return "online"
    return "offline"


def _short(path: Path) -> str:
    # Relative to where the user stands, where that is shorter, and as a shell takes it.
    relative = os.path.relpath(path)
    return shlex.quote(min(relative, str(path), key=len))
