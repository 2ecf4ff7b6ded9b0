"""Many small photos: painted one in each thread, with the bytes of one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from fastnst import Painter
from fastnst.files import lanes
from tests.fastnst.make_images import pixels

Run = Callable[..., Result]

STYLES = Path(__file__).parents[3] / "checkpoints"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, (height, width) in enumerate([(40, 56), (56, 40), (1, 1), (33, 47), (40, 56), (90, 64)]):
        Image.fromarray(pixels(height, width)).save(folder / f"{number}.png")
    Image.fromarray(pixels(50, 30)).convert("RGBA").save(folder / "alpha.png")
    Image.fromarray(pixels(30, 50)).convert("L").save(folder / "grey.jpg")
    (folder / "bad.png").write_bytes(b"no image")
    mask = np.zeros((40, 56), np.uint8)
    mask[:, 28:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return folder


@pytest.fixture
def threads_that_paint(monkeypatch: pytest.MonkeyPatch) -> set[threading.Thread]:
    threads: set[threading.Thread] = set()
    call = Painter.__call__

    def noted(self: Painter, *arguments: object, **options: object) -> np.ndarray:
        threads.add(threading.current_thread())
        return call(self, *arguments, **options)

    monkeypatch.setattr(Painter, "__call__", noted)
    return threads


@pytest.mark.parametrize(
    "options",
    [
        ["-m", STYLES / "wave.onnx"],
        [
            "--blend",
            f"{STYLES / 'wave.onnx'}:1,{STYLES / 'kandinsky.onnx'}:1",
            "--size",
            "24",
            "--detail",
            "1",
        ],
        ["--region", f"{STYLES / 'wave.onnx'}=mask.png", "--preserve-color", "--strength", "0.7"],
    ],
    ids=["plain", "blend", "region"],
)
def test_the_bytes_are_those_of_one_after_the_other(
    run: Run,
    photos: Path,
    options: list[object],
    threads_that_paint: set[threading.Thread],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(photos.parent)
    at_once = run("stylize", *options, "photos", "-o", "at-once", "--threads", "2")
    assert at_once.exit_code == 2  # for bad.png
    assert threads_that_paint
    assert threading.main_thread() not in threads_that_paint
    threads_that_paint.clear()
    monkeypatch.setattr(lanes, "lanes_for", lambda *_: 0)
    alone = run("stylize", *options, "photos", "-o", "alone", "--threads", "2")
    assert alone.exit_code == 2
    assert threads_that_paint == {threading.main_thread()}

    def found(folder: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}

    assert len(found("alone")) == 8
    assert found("at-once") == found("alone")
    results = [line.split("\t")[0] for line in at_once.stdout.splitlines()]
    assert [Path(name).name for name in results] == sorted(found("alone"))


def test_what_does_not_fit_at_once_is_painted_alone(
    run: Run,
    photos: Path,
    models: Path,
    threads_that_paint: set[threading.Thread],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fastnst.stylizer._SURELY_WHOLE", 1000)
    monkeypatch.setattr("fastnst.stylizer.free_memory", lambda: 0)
    style = models / "invert.onnx"
    assert run("stylize", "-m", style, photos, "--threads", "2").exit_code == 2
    assert threading.main_thread() in threads_that_paint
    assert len(threads_that_paint) > 1  # grey.jpg is small enough, and 1x1


@pytest.mark.parametrize(
    ("pictures", "threads", "expected"), [(4, 2, 2), (3, 2, 0), (100, 1, 0), (100, 16, 16)]
)
def test_when_there_are_lanes(pictures: int, threads: int, expected: int) -> None:
    assert lanes.lanes_for(pictures, threads) == expected
    assert lanes.lanes_for(10_000, None) in (0, lanes.cores())
