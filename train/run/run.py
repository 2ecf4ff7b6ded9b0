"""One training run: settle what it needs, train, finish."""

from __future__ import annotations

from dataclasses import dataclass

from train.config import TrainingConfig
from train.machine.lost_process import naming_lost_processes
from train.network.record import Quality
from train.report.tracking import close_logger
from train.run.finish import finish
from train.run.lightning_trainer import check_trainer_options
from train.run.settle import settle
from train.run.training import train
from train.terminal import set_up_terminal


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        interrupted: Whether a signal stopped it; the same command continues it.
        quality: C and S3 of a finished style, if they could be measured.
    """

    interrupted: bool
    quality: Quality | None = None


def run(config: TrainingConfig, preset: str) -> RunResult:
    """Train a style, or continue its training.

    Args:
        config: The options.
        preset: The name of the preset they came from, for the user.

    Returns:
        How it ended.

    Raises:
        FastnstError: If an option is unusable here, training diverges, or another process of the run is
            lost.
    """
    set_up_terminal()
    check_trainer_options(config)
    settled = settle(config, preset)
    if settled is None:
        return RunResult(interrupted=False)
    with naming_lost_processes(config.checkpoint_path):
        trained = train(settled)
        quality = None if trained.interrupted else finish(settled, trained)
    close_logger(trained.logger)
    return RunResult(trained.interrupted, quality)
