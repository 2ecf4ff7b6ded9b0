"""A run whose wandb is lost, as by a SIGTERM of Slurm to all processes of a job."""

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from train.report import steady_wandb_logger
from train.report.steady_wandb_logger import SteadyWandbLogger
from train.report.tracking import close_logger, log_picture

ROOT = Path(__file__).parents[3]
PICTURE = Image.fromarray(np.zeros((8, 8, 3), np.uint8))

LOST = """
import os, subprocess, sys, time
from pathlib import Path
from PIL import Image
from train.config import TrainingConfig
from train.report.tracking import close_logger, log_picture, make_logger

logger = make_logger(TrainingConfig(style=Path("wave.jpg"), output=Path(sys.argv[1])), {})
logger.log_metrics({"a": 1.0}, 1)
found = subprocess.run(["pgrep", "-P", str(os.getpid()), "wandb"], capture_output=True, text=True)
subprocess.run(["kill", *found.stdout.split()], check=True)
time.sleep(1)
for step in range(2, 6):
    logger.log_metrics({"a": 1.0}, step)
    log_picture(logger, "val/preview", Image.new("RGB", (8, 8)), step)
close_logger(logger)
print("done")
"""


@pytest.mark.slow
def test_a_run_ends_well_without_wandbs_process(environment, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LOST, tmp_path],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert done.stderr.startswith("wandb is lost (")
    assert done.stderr.endswith("): nothing more goes to the dashboard\n")
    assert done.stderr.count("\n") == 1


class Gone:
    """A run that answers nothing any more."""

    def __getattr__(self, name):
        raise ConnectionResetError


@pytest.mark.parametrize(
    "use",
    [
        lambda logger: logger.log_metrics({"a": 1.0}, 1),
        lambda logger: logger.log_hyperparams({"a": 1}),
        lambda logger: log_picture(logger, "val/preview", PICTURE, 1),
        close_logger,
    ],
)
def test_whatever_fails_first_is_one_warning(monkeypatch, tmp_path, caplog, use):
    forgotten = []
    monkeypatch.setattr(steady_wandb_logger, "_forget_wandb", lambda: forgotten.append(True))
    monkeypatch.setattr(SteadyWandbLogger, "experiment", Gone())
    logger = SteadyWandbLogger(save_dir=tmp_path, offline=True)
    with caplog.at_level(logging.WARNING):
        use(logger)
        use(logger)
        close_logger(logger)
    assert [record.getMessage() for record in caplog.records] == [
        "wandb is lost (ConnectionResetError): nothing more goes to the dashboard"
    ]
    assert forgotten == [True]
