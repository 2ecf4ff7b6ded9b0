"""`--json` of the commands that paint, as docs/json.md describes it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from PIL import Image

from tests.fastnst.make_images import encoded, pixels
from tests.fastnst.make_videos import make_video, moving

Run = Callable[..., Result]
Fails = Callable[..., str]


def lines_of(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def without_times(line: dict[str, Any]) -> dict[str, Any]:
    """The line without its time, which is above 0 exactly where there is one."""
    times = {key: line[key] for key in ("milliseconds", "seconds") if line.get(key) is not None}
    assert all(time > 0 for time in times.values())
    assert bool(times) == (line["status"] in ("painted", "summary"))
    return {key: value for key, value in line.items() if key not in ("milliseconds", "seconds")}


def test_images_painted_skipped_and_failed(run: Run, invert: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "b.png", "b.invert.png", "c.png", "c.invert.png"):
        Image.fromarray(pixels(4, 5)).save(folder / name)
    os.utime(folder / "c.invert.png", (1, 1))
    (folder / "d.png").write_bytes(b"")
    (folder / "e.jxl").write_bytes(b"")
    result = run("stylize", "-m", invert, folder, tmp_path / "*.tif", "--json")
    assert result.exit_code == 2
    assert result.stderr.count("fastnst: error: ") == 2
    assert "\nfastnst: 1 painted, 2 skipped (done before), 2 failed in " in result.stderr

    def line(status: str, image: Path, written: str | None, reason: str | None) -> dict[str, Any]:
        place = None if written is None else str(folder / written)
        told = {"status": status, "image": str(image), "result": place, "style": "invert"}
        return {**told, "reason": reason}

    told = [without_times(line) for line in lines_of(result)]
    assert told == [
        line("failed", tmp_path / "*.tif", None, f"{tmp_path / '*.tif'} matches no file"),
        line("skipped", folder / "b.invert.png", None, "it is an earlier result"),
        line("skipped", folder / "c.invert.png", None, "it is an earlier result"),
        line("skipped", folder / "e.jxl", None, "fastnst does not read its format"),
        line("skipped", folder / "b.png", "b.invert.png", "its result exists"),
        line("skipped", folder / "c.png", "c.invert.png", "its result exists, and is older than it"),
        line("painted", folder / "a.png", "a.invert.png", None),
        line("failed", folder / "d.png", "d.invert.png", f"{folder / 'd.png'} is empty"),
        {"status": "summary", "painted": 1, "skipped": 5, "failed": 2, "not_done": 0},
    ]


def test_one_image_has_a_summary_too(run: Run, invert: Path, photo: Path) -> None:
    for status in ("painted", "failed"):  # as its result exists then
        result = run("stylize", "-m", invert, photo, "--json")
        assert result.exit_code == (0 if status == "painted" else 2)
        told, summary = lines_of(result)
        assert (told["status"], told["image"], told["style"]) == (status, str(photo), "invert")
        counts = {"painted": 0, "skipped": 0, "failed": 0, "not_done": 0, status: 1}
        assert {key: summary[key] for key in counts} == counts
        assert result.stderr == ("" if status == "painted" else f"fastnst: error: {told['reason']}\n")
    photo.write_bytes(b"no image")
    told, summary = lines_of(run("stylize", "-m", invert, photo, "--json", "--overwrite"))
    assert (told["status"], told["milliseconds"], summary["failed"]) == ("failed", None, 1)
    assert str(photo) in told["reason"]


def test_an_error_of_the_whole_command_has_no_json(run: Run, fails: Fails, models: Path, photo: Path) -> None:
    assert "no style is called" in fails("stylize", "-m", "nothing", photo, "--json")
    assert "classifier" in fails("stylize", "-m", models / "classifier.onnx", photo, "--json")
    assert "give -o FILE" in fails("stylize", "-m", models / "invert.onnx", "-", "--json", data=b"x")


def test_an_interruption_leaves_a_summary(
    run: Run, invert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(pixels(4, 5)).save(tmp_path / name)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fastnst.painter.Painter.__call__", interrupted)
    result = run("stylize", "-m", invert, tmp_path, "--json")
    assert result.exit_code == 130
    (summary,) = lines_of(result)
    assert without_times(summary) == {
        "status": "summary",
        "painted": 0,
        "skipped": 0,
        "failed": 0,
        "not_done": 3,
    }


def test_a_photo_from_standard_input(run: Run, invert: Path, tmp_path: Path) -> None:
    written = tmp_path / "a.png"
    result = run("stylize", "-m", invert, "-", "-o", written, "--json", data=encoded(pixels(4, 5)))
    told, summary = lines_of(result)
    assert (told["status"], told["image"], told["result"]) == ("painted", "-", str(written))
    assert (summary["painted"], summary["not_done"]) == (1, 0)
    bad = run("stylize", "-m", invert, "-", "-o", tmp_path / "b.png", "--json", data=b"no image")
    assert (bad.exit_code, bad.stderr.count("\n")) == (2, 1)
    assert [line["status"] for line in lines_of(bad)] == ["failed", "summary"]


def test_a_hostile_name_is_ascii_and_comes_back(run: Run, invert: Path, tmp_path: Path) -> None:
    photo = tmp_path / "a\x1b[2J\x7f\x9b\n\u202e\u4e2d\udcff.png"
    photo.write_bytes(encoded(pixels(4, 5)))
    output = run("stylize", "-m", invert, photo, "--json").stdout
    assert output.count("\n") == 2
    assert not {character for character in output if not " " <= character <= "~"} - {"\n"}
    assert json.loads(output.splitlines()[0])["image"] == str(photo)


def test_videos(run: Run, invert: Path, tmp_path: Path) -> None:
    pytest.importorskip("av")
    clip = make_video(tmp_path / "clip.mp4", moving(3))
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    result = run("video", "-m", invert, clip, tmp_path / "bad.mp4", tmp_path / "none.mp4", "--json")
    assert result.exit_code == 2
    missing, painted, bad, summary = [without_times(line) for line in lines_of(result)]
    assert painted == {
        "status": "painted",
        "video": str(clip),
        "result": str(tmp_path / "clip.invert.mp4"),
        "style": "invert",
        "frames": 3,
        "reason": None,
    }
    assert (missing["status"], missing["result"], missing["frames"]) == ("failed", None, None)
    assert missing["reason"] == f"{missing['video']} does not exist"
    assert (bad["status"], bad["result"]) == ("failed", str(tmp_path / "bad.invert.mp4"))
    assert summary == {"status": "summary", "painted": 1, "skipped": 0, "failed": 2, "not_done": 0}
    alone = run("video", "-m", invert, tmp_path / "bad.mp4", "--json")
    assert (alone.exit_code, alone.stderr.count("\n")) == (2, 1)
    assert [line["status"] for line in lines_of(alone)] == ["failed", "summary"]
