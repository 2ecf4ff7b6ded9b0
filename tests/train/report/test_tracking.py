import logging
import os
import shlex
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock, patch

import pytest
import wandb
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from train.config import TrainingConfig
from train.report.tracking import (
    artifact_name,
    describe_logger,
    log_model_artifact,
    make_logger,
    ran_beside,
    run_identity,
)

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def no_account(monkeypatch):
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", "/dev/null")


def config(tmp_path, logger):
    return TrainingConfig(style=Path("wave.jpg"), output=tmp_path, logger=logger)


@pytest.fixture
def opened_mode(monkeypatch, tmp_path):
    """Open a logger for wandb, and return the mode in which it opens its run; no run is started."""

    def mode():
        modes = []
        monkeypatch.setattr(wandb, "setup", lambda _: None)
        monkeypatch.setattr(wandb, "init", lambda **options: modes.append(options["settings"].mode) or Mock())
        with patch.dict(os.environ):  # Lightning sets WANDB_MODE
            logger = make_logger(config(tmp_path, "wandb"), {})
            _ = None if logger is None else logger.experiment
        return modes[-1] if modes else None

    return mode


def test_wandb_is_online_for_who_is_logged_in_and_offline_otherwise(monkeypatch, tmp_path, opened_mode):
    assert opened_mode() == "offline"
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert opened_mode() == "online"
    monkeypatch.delenv("WANDB_API_KEY")
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password key\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert opened_mode() == "online"
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    assert opened_mode() == "offline"


@pytest.mark.parametrize(
    ("mode", "expected"), [("online", "online"), ("offline", "offline"), ("disabled", None)]
)
def test_the_users_choice_of_a_mode_wins(monkeypatch, opened_mode, mode, expected):
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_MODE", mode)
    assert opened_mode() == expected


def test_a_broken_netrc_is_passed_over(monkeypatch, tmp_path, opened_mode):
    (tmp_path / "netrc").write_text("what is this\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert opened_mode() == "offline"


def test_nothing_is_kept_where_nothing_is_wanted(monkeypatch, tmp_path):
    assert make_logger(config(tmp_path, "none"), {}) is None
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert make_logger(config(tmp_path, "wandb"), {}) is None
    assert describe_logger(None) == "curves: not kept"
    assert run_identity(None) == {}
    assert not list(tmp_path.iterdir())


def test_each_logger_says_where_its_curves_are(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    board = make_logger(config(Path("out"), "tensorboard"), {})
    assert isinstance(board, TensorBoardLogger)
    assert describe_logger(board) == "curves: tensorboard --logdir out/tensorboard"
    table = make_logger(config(Path("out"), "csv"), {})
    assert isinstance(table, CSVLogger)
    assert describe_logger(table) == "curves: out/csv/wave/metrics.csv"
    assert run_identity(table) == {}


def test_a_table_goes_on_from_the_step_that_the_run_goes_on_from(tmp_path):
    table = make_logger(config(tmp_path, "csv"), {})
    for step in (1, 2, 3):
        table.log_metrics({"a": step / 10}, step)
    again = make_logger(config(tmp_path, "csv"), {}, first_step=2)
    again.log_metrics({"a": 5.0, "b": 6.0}, 3)
    again.save()
    found = (tmp_path / "csv" / "wave" / "metrics.csv").read_text().split()
    assert found == ["a,b,step", "0.1,,1", "0.2,,2", "5.0,6.0,3"]
    fresh = make_logger(config(tmp_path, "csv"), {})
    fresh.log_metrics({"a": 1.0}, 1)
    fresh.save()
    assert (tmp_path / "csv" / "wave" / "metrics.csv").read_text().split() == ["a,step", "1.0,1"]


def test_models_of_runs_without_wandb_are_no_artifacts(monkeypatch, tmp_path):
    monkeypatch.setattr("wandb.init", lambda **_: pytest.fail("a run was opened"))
    log_model_artifact({}, tmp_path, tmp_path / "wave.onnx")


def run_recorded_in(folder, run_id="abc"):
    """Leave the file that wandb leaves of a run, and return the run's identity."""
    path = folder / "wandb" / f"offline-run-20260101_000000-{run_id}" / f"run-{run_id}.wandb"
    path.parent.mkdir(parents=True)
    path.touch()
    return {"logger": "wandb", "id": run_id, "project": "p", "mode": "offline", "folder": "/elsewhere"}


@pytest.mark.parametrize("run_id", ["other", "*", "../abc", "", "a" * 65, 7, None])
def test_a_run_of_another_machine_is_not_opened(monkeypatch, tmp_path, run_id):
    monkeypatch.setattr("wandb.init", lambda **_: pytest.fail("a run was opened"))
    run = run_recorded_in(tmp_path)
    assert ran_beside(run, tmp_path)
    foreign = run | {"id": run_id, "mode": "online"}
    assert not ran_beside(foreign, tmp_path)
    (tmp_path / "wave.onnx").touch()
    log_model_artifact(foreign, tmp_path, tmp_path / "wave.onnx")


def test_a_resumed_run_goes_on_in_the_users_own_project(monkeypatch, tmp_path):
    opened = []
    monkeypatch.setattr(wandb, "setup", lambda _: None)
    monkeypatch.setattr(wandb, "init", lambda **options: opened.append(options) or Mock())
    with patch.dict(os.environ):
        for run_id in ("abc", "../../abc"):
            run = {
                "logger": "wandb",
                "id": run_id,
                "project": "of-a-stranger",
                "mode": "online",
                "folder": "/",
            }
            _ = make_logger(config(tmp_path, "wandb"), run).experiment
    assert [(options["project"], options["id"]) for options in opened] == [
        ("fastnst", "abc"),
        ("fastnst", None),
    ]
    assert {options["dir"] for options in opened} == {str(tmp_path)}


def test_the_line_that_says_where_the_curves_are_is_a_command(tmp_path):
    board = make_logger(config(tmp_path / "my styles", "tensorboard"), {})
    _, _, command = describe_logger(board).partition(": ")
    assert shlex.split(command)[:2] == ["tensorboard", "--logdir"]
    assert Path(shlex.split(command)[2]).resolve() == tmp_path / "my styles" / "tensorboard"


def test_an_artifact_that_fails_is_a_warning(monkeypatch, tmp_path, caplog):
    def fail(**_):
        raise OSError("no network")

    monkeypatch.setattr("wandb.init", fail)
    run = run_recorded_in(tmp_path)
    (tmp_path / "wave.onnx").touch()
    with caplog.at_level(logging.WARNING):
        log_model_artifact(run, tmp_path, tmp_path / "wave.onnx")
    assert "not added to the wandb run: no network" in caplog.text


@pytest.mark.parametrize("style", ["kandinsky", "great wave", "große Welle", "神奈川沖浪裏"])
def test_any_style_has_a_name_that_wandb_takes(style):
    name = artifact_name(style)
    wandb.Artifact(name, type="model")  # raises otherwise
    assert name.startswith("style-")
    if style == "kandinsky":
        assert name == "style-kandinsky"


OFFLINE = """
import sys
from pathlib import Path
from train.config import TrainingConfig
from train.report.tracking import close_logger, describe_logger, log_model_artifact, make_logger, run_identity

output = Path(sys.argv[1])
logger = make_logger(TrainingConfig(style=Path("wave.jpg"), output=output), {})
print(describe_logger(logger))
logger.log_metrics({"a": 1.0}, 1)
close_logger(logger)
(output / "wave.onnx").touch()
log_model_artifact(run_identity(logger), output, output / "wave.onnx")
"""


@pytest.mark.slow
def test_wandb_says_nothing_of_a_home_that_cannot_be_written_to(environment, tmp_path):
    kept = {name: value for name, value in environment.items() if not name.startswith("XDG_")}
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, tmp_path],
        cwd=ROOT,
        env=kept | {"HOME": "/dev/null/nobody"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("curves: wandb is offline")
    assert len(list(tmp_path.glob("wandb/offline-run-*"))) == 2
