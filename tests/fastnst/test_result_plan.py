"""Which files are meant, and where their results go."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastnst import FastnstError
from fastnst.result_plan import Plan, plan_results


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with images that need no content."""
    folder = tmp_path / "work"
    for name in ("b.jpg", "a.PNG", "photos/2.webp", "photos/1.jpg", "photos/.hidden.jpg", "photos/notes.txt"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (folder / "empty").mkdir()
    monkeypatch.chdir(folder)
    return folder


def results(plan: Plan) -> dict[str, str]:
    return {task.source.as_posix(): task.result.as_posix() for task in plan.tasks}


def test_results_lie_beside_their_images() -> None:
    plan = plan_results(["b.jpg", "photos"], "wave")
    assert results(plan) == {
        "b.jpg": "b.wave.jpg",
        "photos/1.jpg": "photos/1.wave.jpg",
        "photos/2.webp": "photos/2.wave.webp",
    }
    assert plan.problems == plan.skipped == []


@pytest.mark.parametrize("name", ["x.gif", "x.ppm", "x", "x.JPEG"])
def test_formats_that_are_only_read_become_png(name: str) -> None:
    Path(name).touch()
    assert results(plan_results([name], "wave")) == {
        name: "x.wave.JPEG" if name == "x.JPEG" else "x.wave.png"
    }


def test_patterns_are_expanded_and_each_image_is_done_once() -> None:
    plan = plan_results(["*.jpg", "b.jpg", "./b.jpg", "**/*.webp", str(Path("b.jpg").resolve())], "wave")
    assert results(plan) == {"b.jpg": "b.wave.jpg", "photos/2.webp": "photos/2.wave.webp"}


def test_a_name_with_pattern_signs_that_exists_is_a_name() -> None:
    Path("[b].jpg").touch()
    assert results(plan_results(["[b].jpg"], "wave")) == {"[b].jpg": "[b].wave.jpg"}


def test_arguments_that_name_nothing() -> None:
    plan = plan_results(["empty", "*.tif", "missing.jpg"], "wave")
    assert plan.problems == ["empty holds no images", "*.tif matches no file"]
    assert results(plan) == {"missing.jpg": "missing.wave.jpg"}  # which fails in its turn, by name


def test_output_file_or_folder() -> None:
    assert results(plan_results(["b.jpg"], "wave", output="c.png")) == {"b.jpg": "c.png"}
    assert results(plan_results(["b.jpg"], "wave", output="empty")) == {"b.jpg": "empty/b.wave.jpg"}
    assert results(plan_results(["b.jpg"], "wave", output="new/")) == {"b.jpg": "new/b.wave.jpg"}
    assert set(results(plan_results(["photos"], "wave", output="new")).values()) == {
        "new/1.wave.jpg",
        "new/2.wave.webp",
    }
    assert results(plan_results(["b.jpg"], "wave", suffix=".png")) == {"b.jpg": "b.wave.png"}


def test_outputs_that_do_not_fit() -> None:
    with pytest.raises(FastnstError, match="give a folder to -o"):
        plan_results(["b.jpg", "a.PNG"], "wave", output="b.jpg")
    with pytest.raises(FastnstError, match=r"several images for the one file c.png"):
        plan_results(["b.jpg", "a.PNG"], "wave", output="c.png")
    with pytest.raises(FastnstError, match=r"cannot write .xyz"):
        plan_results(["b.jpg"], "wave", output="c.xyz")


def test_nothing_is_replaced_unless_asked() -> None:
    Path("b.wave.jpg").touch()
    plan = plan_results(["b.jpg"], "wave")
    assert plan.tasks == []
    assert plan.problems == ["b.wave.jpg exists: --overwrite replaces it, -o writes elsewhere"]
    assert len(plan_results(["b.jpg"], "wave", overwrite=True).tasks) == 1
    Path("a.wave.PNG").mkdir()
    assert "is a folder" in plan_results(["a.PNG"], "wave", overwrite=True).problems[0]


def test_two_images_never_share_a_result() -> None:
    Path("photos/b.jpg").touch()
    plan = plan_results(["b.jpg", "photos/b.jpg"], "wave", output="new")
    assert results(plan) == {"b.jpg": "new/b.wave.jpg"}
    assert plan.problems == ["photos/b.jpg and b.jpg would both become new/b.wave.jpg: rename one of them"]
    for name in ("c.gif", "c.ppm"):
        Path(name).touch()
    assert len(plan_results(["c.gif", "c.ppm"], "wave").problems) == 1


def test_results_of_earlier_runs_are_left_out() -> None:
    for name in ("1.wave.jpg", "1.kandinsky.jpg", "1.backup.jpg", "3.wave.jpg"):
        Path("photos", name).touch()
    plan = plan_results(["photos"], "wave", overwrite=True, styles=["kandinsky"])
    assert [path.name for path in plan.skipped] == ["1.kandinsky.jpg", "1.wave.jpg"]
    assert [task.source.name for task in plan.tasks] == ["1.backup.jpg", "1.jpg", "2.webp", "3.wave.jpg"]
    alone = plan_results(["photos/1.wave.jpg"], "wave")
    assert results(alone) == {"photos/1.wave.jpg": "photos/1.wave.wave.jpg"}
