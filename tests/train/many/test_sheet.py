"""The sheet of many styles, and what is done with it at the end."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from train.config import TrainingConfig
from train.many import __main__ as command
from train.many.options import ManyOptions
from train.many.sheet import compose_sheet, compose_strip
from train.many.style_run import StyleRun
from train.many.view import View

WAVE = Path(__file__).parents[3] / "checkpoints" / "wave.onnx"


def plain(width, height, level):
    return np.full((height, width, 3), level, np.uint8)


def test_each_style_has_a_row_with_its_painting_and_the_painted_photos_below_the_photos():
    cell = (30, 20)
    strips = {
        name: (
            compose_strip(plain(60, 20, level), [plain(30, 20, level + 1), plain(15, 20, level + 2)], cell),
            "",
        )
        for name, level in (("dark", 20), ("light", 200))
    }
    sheet = np.asarray(compose_sheet([plain(30, 20, 90), plain(15, 20, 100)], strips))
    middles = [8 + 38 * column + 15 for column in range(3)]
    row = 20 + 27 + 8
    rows = [[int(sheet[8 + row * number + 10, x, 0]) for x in middles] for number in range(3)]
    assert rows == [[255, 90, 100], [20, 21, 22], [200, 201, 202]]
    assert sheet.shape == (8 + 3 * row, 8 + 3 * 38, 3)
    names = sheet[8 + row + 20 : 8 + 2 * row]
    assert names.min() < 128  # the name is written below its painting


def test_the_end_of_all_draws_the_sheet_and_sends_a_table_only_once(tmp_path, monkeypatch, capsys):
    shutil.copy(WAVE, tmp_path / "a.onnx")
    (tmp_path / "b.onnx").write_bytes(b"no style")
    runs = []
    for name in ("a", "b", "c"):
        Image.new("RGB", (80, 90), "red").save(tmp_path / f"{name}.png")
        run = StyleRun(name, tmp_path / f"{name}.png", tmp_path / f"{name}.log", state="trained")
        run.result = {
            "C": 0.4,
            "S3": 0.05,
            "flicker": 1.0,
            "seconds": 2.0,
            "steps": 3,
            "checkpoint": "x.ckpt",
        }
        run.model = tmp_path / f"{name}.onnx" if name != "c" else None
        runs.append(run)
    config = TrainingConfig(
        style=runs[0].painting, data="generated", output=tmp_path, validation_photos=2, logger="none"
    )
    options = ManyOptions({run.name: run.painting for run in runs}, None, "autumn", False, False, (), config)
    sent = []

    def send(_config, group, rows, strips, sheet, known, _say):
        sent.append((group, [row.style for row in rows], list(strips), sheet.size, dict(known)))
        return {"id": "abc"}

    monkeypatch.setattr("train.report.style_table.log_style_table", send)
    for _ in range(2):
        command._report(runs, options, View(runs, as_events=False), to_dashboard=True)
    with Image.open(tmp_path / "autumn.jpg") as sheet:
        size = sheet.size
        assert sheet.getpixel((8 + 180, sheet.height - 160))[0] > 150  # the painting
    assert sent == [("autumn", ["a", "b", "c"], ["a"], size, {})]
    saved = json.loads((tmp_path / "autumn.json").read_text())
    assert saved["dashboard"] == {"id": "abc"}
    runs[0].result["C"] = 0.3
    command._report(runs, options, View(runs, as_events=False), to_dashboard=True)
    assert sent[1][-1] == {"id": "abc"}  # the same run of the dashboard again
    out, err = capsys.readouterr()
    assert out.splitlines()[1].split() == ["a", "0.400", "0.0500", "1.00", "2", "trained"]
    assert f"sheet: {tmp_path / 'autumn.jpg'}" in err


def test_without_photos_there_is_a_table_and_a_line(tmp_path, capsys):
    Image.new("RGB", (80, 90)).save(tmp_path / "a.png")
    run = StyleRun("a", tmp_path / "a.png", tmp_path / "a.log", state="trained", model=WAVE)
    run.result = {"seconds": 2.0, "checkpoint": "a.ckpt"}
    config = TrainingConfig(style=run.painting, data=str(tmp_path / "gone"), output=tmp_path, logger="none")
    options = ManyOptions({"a": run.painting}, None, "many", False, False, (), config)
    command._report([run], options, View([run], as_events=False), to_dashboard=True)
    assert "no sheet: " in capsys.readouterr().err
    assert (tmp_path / "many.csv").exists()
    assert not (tmp_path / "many.jpg").exists()


@pytest.mark.parametrize("content", ["", "[]", '{"styles": 3}', "no json"])
def test_a_table_of_before_that_is_damaged_is_no_matter(tmp_path, content):
    (tmp_path / "many.json").write_text(content)
    assert command._table_before(tmp_path / "many.json") == {}
