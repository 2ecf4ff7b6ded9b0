"""`fastnst stylize --shard`: parts of one list, each a command of its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image

from fastnst.files.claim import claim
from fastnst.files.shard import Shard
from tests.fastnst.make_images import pixels

Run = Callable[..., Result]
Fails = Callable[..., str]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for number in range(12):
        path = tmp_path / "tree" / f"{number % 3}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(4, 3 + number)).save(path)
    (tmp_path / "tree" / "0" / "bad.png").write_bytes(b"no image")
    monkeypatch.chdir(tmp_path)  # for paths, and so parts, that are the same in every run
    return tmp_path / "tree"


def files(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_parts_write_what_one_run_writes(run: Run, invert: Path, tree: Path) -> None:
    run("stylize", "-m", invert, "-r", "tree", "-o", "whole")
    codes, summaries = [], []
    for part in ("3/4", "1/4", "4/4", "2/4"):
        result = run("stylize", "-m", invert, "-r", "tree", "-o", "parts", "--shard", part, "--json")
        codes.append(result.exit_code)
        summaries.append(json.loads(result.stdout.splitlines()[-1]))
    assert sorted(codes) == [0, 0, 0, 2]  # of the part with the image that fails
    assert files(Path("parts")) == files(Path("whole"))
    assert len(files(Path("parts"))) == 12
    assert sum(summary["painted"] for summary in summaries) == 12
    assert sum(summary["failed"] for summary in summaries) == 1
    again = run("stylize", "-m", invert, "-r", "tree", "-o", "parts", "--shard", "3/4")
    assert again.stdout == ""
    assert f"fastnst: 0 painted, {summaries[0]['painted']} skipped (done before), " in again.stderr


def test_a_part_of_one_image_goes_on_past_it(run: Run, invert: Path, tree: Path) -> None:
    """A part may hold one image although the list is long: that one fails or waits as one of many does."""
    images = [*Path("tree").rglob("*.png")]
    held = [[path for path in images if Shard(part, 40).holds(path)] for part in range(1, 41)]
    alone = {found[0].name: part for part, found in enumerate(held, start=1) if len(found) == 1}
    empty = held.index([]) + 1
    result = run("stylize", "-m", invert, "-r", "tree", "--shard", f"{empty}/40")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("fastnst: 0 painted, 0 skipped (done before), 0 failed in ")
    result = run("stylize", "-m", invert, "-r", "tree", "--shard", f"{alone.pop('bad.png')}/40")
    assert result.exit_code == 2
    assert "\nfastnst: 0 painted, 0 skipped (done before), 1 failed in " in result.stderr
    name, part = alone.popitem()
    source = next(Path("tree").rglob(name))
    written = source.with_name(f"{source.stem}.invert.png")
    other = claim(written)
    assert other is not None
    # What another run is painting is waited for, and is no failure.
    threading.Timer(0.3, other.release, kwargs={"delete": True}).start()
    result = run("stylize", "-m", invert, "-r", "tree", "--shard", f"{part}/40")
    assert result.exit_code == 0, result.stderr
    assert f"waits for another run, which is painting {written}" in result.stderr
    assert written.exists()


def test_what_is_no_part_gets_one_line(fails: Fails, invert: Path, tree: Path) -> None:
    for text in ("0/4", "5/4", "4", "a/b"):
        says = f"--shard takes the part and the number of parts, 1/64 to 64/64, not '{text}'"
        assert says == fails("stylize", "-m", invert, "tree/0", "--shard", text)
    for pipe in (("-",), ("tree/0/0.png", "-o", "-")):
        assert "leave --shard out" in fails("stylize", "-m", invert, *pipe, "--shard", "1/2")
    assert not list(Path("tree").rglob("*.invert.png"))
