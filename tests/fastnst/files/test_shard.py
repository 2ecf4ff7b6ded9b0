"""Parts of one list of images, which need not know of each other."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from fastnst import FastnstError
from fastnst.files.plan import Plan, plan_results
from fastnst.files.shard import Shard

PARTS = 5


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a tree of images, earlier results and files that are left out."""
    for number in range(120):
        path = tmp_path / "tree" / f"{number % 7}" / f"{number:03}.{('jpg', 'png', 'gif')[number % 3]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for name in ("0/000.wave.jpg", "1/001.wave.png", "1/raw.cr2", "2/live.heics", "2/002.ppm"):
        (tmp_path / "tree" / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def parts(*arguments: str, **options: object) -> list[Plan]:
    return [
        plan_results(arguments, "wave", shard=Shard(part, PARTS), **options) for part in range(1, PARTS + 1)
    ]


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["tree"], {"recursive": True, "output": "out"}),
        (["tree"], {"recursive": True}),
        (["tree/0", "tree/1/*.png", "tree/2/002.gif"], {"suffix": ".png"}),
        (["tree/*/*.jpg", "./tree/../tree/0"], {"output": "one-folder", "overwrite": True}),
    ],
)
def test_all_parts_together_are_one_run(arguments: list[str], options: dict[str, object]) -> None:
    whole = plan_results(arguments, "wave", **options)
    plans = parts(*arguments, **options)
    for name in ("tasks", "done", "skipped", "unread", "outdated", "problems"):
        together = [entry for plan in plans for entry in getattr(plan, name)]
        assert Counter(map(str, together)) == Counter(map(str, getattr(whole, name))), name
    for plan in plans:
        assert [task for task in whole.tasks if task in plan.tasks] == plan.tasks  # in the same order
    assert sum(map(len, (plan.tasks for plan in plans))) > 20
    assert all(plan.tasks for plan in plans)


def test_of_two_images_with_one_result_every_part_takes_the_same() -> None:
    for number in range(60):
        Path("tree", "012"[number % 3], f"x{number // 3}.gif").touch()
    flat = plan_results(["tree/*/*.gif"], "wave", output="out")
    assert len(flat.problems) == 40
    plans = parts("tree/*/*.gif", output="out")
    results = [task.result for plan in plans for task in plan.tasks]
    assert len(results) == len(set(results)) == len(flat.tasks)
    lines = [problem.line for plan in plans for problem in plan.problems]
    assert sorted(lines) == sorted(problem.line for problem in flat.problems)


def test_the_part_of_an_image_stays_whatever_comes_goes_or_is_done() -> None:
    before = {
        task.source: number
        for number, plan in enumerate(parts("tree", recursive=True))
        for task in plan.tasks
    }
    chance = random.Random(0)
    gone = set(chance.sample(sorted(before), 30))
    for number, source in enumerate(sorted(gone)):
        if number % 2:
            source.unlink()
        else:
            source.with_name(f"{source.stem}.wave{source.suffix.replace('gif', 'png')}").touch()
    for number in range(40):
        Path("tree", f"{number % 7}", f"-new {number}.jpg").touch()
    after = {
        task.source: number
        for number, plan in enumerate(parts("tree", recursive=True))
        for task in plan.tasks
    }
    kept = before.keys() - gone
    assert {source: after[source] for source in kept} == {source: before[source] for source in kept}
    assert not gone & after.keys()
    assert len(after) == len(kept) + 40


def test_a_part_needs_nothing_but_its_own_results() -> None:
    """A run resumed after some parts are complete paints what is left of its own, no more and no less."""
    plans = parts("tree", recursive=True, output="out")
    for plan in plans[1:3]:
        for task in plan.tasks:
            task.result.parent.mkdir(parents=True, exist_ok=True)
            task.result.touch()
    half = plans[0].tasks[::2]
    for task in half:
        task.result.parent.mkdir(parents=True, exist_ok=True)
        task.result.touch()
    again = parts("tree", recursive=True, output="out")
    assert again[0].tasks == plans[0].tasks[1::2]
    assert again[0].done == half
    assert [len(plan.tasks) for plan in again[1:3]] == [0, 0]
    assert [plan.tasks for plan in again[3:]] == [plan.tasks for plan in plans[3:]]


def test_what_is_wrong_with_an_argument_is_told_by_every_part() -> None:
    """A folder that is not mounted on one machine must not look like a part without images."""
    Path("empty").mkdir()
    for plan in parts("tree/0", "empty", "not-mounted", "*.tif"):
        assert [problem.line for problem in plan.problems] == [
            "empty holds no images",
            "*.tif matches no file",
            "not-mounted does not exist",
        ]


def test_one_image_is_in_one_part_and_may_be_done_already() -> None:
    plans = parts("tree/0/000.jpg", output="a.png")
    assert [str(task.result) for plan in plans for task in plan.tasks] == ["a.png"]
    Path("a.png").touch()
    plans = parts("tree/0/000.jpg", output="a.png")
    assert [len(plan.tasks) + len(plan.problems) for plan in plans] == [0] * PARTS
    assert sum(len(plan.done) for plan in plans) == 1


def test_parts_are_the_same_on_every_machine_and_of_similar_size() -> None:
    assert Shard(34, 64).holds(Path("albums/2019/IMG_0001.jpg"))
    sizes = Counter(
        part
        for number in range(2000)
        for part in range(1, 5)
        if Shard(part, 4).holds(Path(f"albums/{number}/photo.jpg"))
    )
    assert sum(sizes.values()) == 2000
    assert all(400 < size < 600 for size in sizes.values())
    assert all(Shard.parse("1/1").holds(Path(name)) for name in ("a", "b/c.jpg", "\udcff.jpg"))
    assert Shard.parse("03/64") == Shard(3, 64)


@pytest.mark.parametrize(
    "text", ["", "3", "0/64", "65/64", "3/0", "-1/4", "1.5/4", "a/b", "1/2/3", "٣/٤", "9" * 5000]
)
def test_what_names_no_part(text: str) -> None:
    with pytest.raises(FastnstError, match=r"--shard takes the part and the number of parts"):
        Shard.parse(text)
