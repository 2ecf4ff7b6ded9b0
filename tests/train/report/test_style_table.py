"""The table of many styles on each dashboard."""

import json
import os
from unittest.mock import patch

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.train.report.wandb_file import WandbRun, read_records
from train.config import TrainingConfig
from train.report.style_row import StyleRow
from train.report.style_table import log_style_table

ROWS = [
    StyleRow("wave", 0.4, 0.05, 1.5, 61.5, 8, "trained", "", "wave.jpg", "wave.ckpt", "wave.onnx"),
    StyleRow("a|b", None, None, None, None, None, "failed", "no picture", "a|b.jpg", "", ""),
]


@pytest.fixture
def log(tmp_path, monkeypatch):
    """Log the table to a dashboard; returns the run's identity."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("WANDB_RUN_GROUP", raising=False)

    def run(logger, previous=None):
        config = TrainingConfig(style=tmp_path / "wave.jpg", output=tmp_path, logger=logger)
        strip, sheet = Image.new("RGB", (30, 10), "red"), Image.new("RGB", (40, 50), "blue")
        with patch.dict(os.environ):  # Lightning sets WANDB_MODE
            return log_style_table(config, "autumn", ROWS, {"wave": strip}, sheet, previous or {}, print)

    return run


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_wandb_gets_a_run_of_the_group_with_the_table_and_the_pictures(log, tmp_path, capsys):
    identity = log("wandb")
    assert "dashboard: wandb is offline; log in and `wandb sync " in capsys.readouterr().out
    (path,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    run = WandbRun.ended_in(path)
    assert run.id == identity["id"]
    (record,) = [record.run for record in read_records(path) if record.HasField("run")][:1]
    assert (record.display_name, record.run_group, record.job_type) == ("autumn", "autumn", "table")
    (logged,) = [row for row in run.history if "styles" in row]
    files = path.parent / "files"
    table = json.loads((files / logged["styles"]["path"]).read_text())
    assert table["columns"] == [
        *("style", "sheet", "C", "S3", "flicker", "seconds", "steps", "state", "reason")
    ]
    (wave, broken) = table["data"]
    assert wave == ["wave", "Image", 0.4, 0.05, 1.5, 61.5, 8, "trained", ""]
    assert broken == ["a|b", None, None, None, None, None, None, "failed", "no picture"]
    with Image.open(files / logged["sheet"]["path"]) as sheet:
        assert sheet.size == (40, 50)
    # The table's own file stands for its pictures by their kind; the artifact has them.
    strips = [
        entry
        for artifact in run.artifacts
        for entry in artifact.manifest.contents
        if entry.path.startswith("media/images/")
    ]
    assert len(strips) == 1
    assert strips[0].size > 0


def test_tensorboard_gets_the_same_numbers(log, tmp_path):
    assert log("tensorboard") == {}
    folder = tmp_path / "tensorboard" / "autumn"
    events = EventAccumulator(str(folder)).Reload()
    (text,) = events.Tensors("styles/text_summary")
    lines = text.tensor_proto.string_val[0].decode().splitlines()
    assert lines[0] == "| style | C | S3 | flicker | seconds | state |"
    assert lines[2:] == ["| wave | 0.4 | 0.05 | 1.5 | 61.5 | trained |", "| a\\|b |  |  |  |  | failed |"]
    (sheet,) = events.Images("sheet")
    assert (sheet.width, sheet.height) == (40, 50)
    style = EventAccumulator(str(folder / "styles" / "wave")).Reload()
    found = {key: style.Scalars(key)[0].value for key in style.Tags()["scalars"]}
    assert found == pytest.approx(
        {"quality/content": 0.4, "quality/style": 0.05, "quality/flicker": 1.5, "seconds": 61.5}
    )


def test_a_dashboard_that_fails_is_a_warning(log, monkeypatch, caplog):
    def fail(*_, **__):
        raise OSError("no network\nat all")

    monkeypatch.setattr("train.report.style_table.make_logger", fail)
    assert log("wandb", {"id": "abc"}) == {"id": "abc"}
    assert "the table is not on the dashboard: no network at all" in caplog.text
    monkeypatch.undo()
    assert log("csv") == log("none") == {}
