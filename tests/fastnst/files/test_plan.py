"""Which files are meant, and where their results go."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from fastnst import FastnstError
from fastnst.files.plan import Plan, plan_results


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


def lines_of(plan: Plan) -> list[str]:
    return [problem.line for problem in plan.problems]


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
    assert lines_of(plan) == ["empty holds no images", "*.tif matches no file"]
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
    assert lines_of(plan) == ["b.wave.jpg exists: --overwrite replaces it, -o writes elsewhere"]
    assert len(plan_results(["b.jpg"], "wave", overwrite=True).tasks) == 1
    Path("a.wave.PNG").mkdir()
    assert "is a folder" in plan_results(["a.PNG"], "wave", overwrite=True).problems[0].line


def test_two_images_never_share_a_result() -> None:
    Path("photos/b.jpg").touch()
    plan = plan_results(["b.jpg", "photos/b.jpg"], "wave", output="new")
    assert results(plan) == {"b.jpg": "new/b.wave.jpg"}
    assert lines_of(plan) == ["photos/b.jpg and b.jpg would both become new/b.wave.jpg: rename one of them"]
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


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def test_a_tree_keeps_its_shape_below_the_output() -> None:
    touch(
        "a/x.jpg", "a/b/x.jpg", "a/b/c/y.gif", "a/.hidden/z.jpg", "a/b/.z.jpg", "a/b/notes.txt", "a/B/x.jpg"
    )
    plan = plan_results(["a", "b.jpg"], "wave", output="out", recursive=True)
    assert list(results(plan).items()) == [
        ("a/B/x.jpg", "out/B/x.wave.jpg"),
        ("a/b/c/y.gif", "out/b/c/y.wave.png"),
        ("a/b/x.jpg", "out/b/x.wave.jpg"),
        ("a/x.jpg", "out/x.wave.jpg"),
        ("b.jpg", "out/b.wave.jpg"),
    ]
    assert results(plan_results(["./a/b/../b"], "wave", recursive=True)) == {
        "a/b/../b/c/y.gif": "a/b/../b/c/y.wave.png",
        "a/b/../b/x.jpg": "a/b/../b/x.wave.jpg",
    }
    assert results(plan_results(["a"], "wave", output="out")) == {"a/x.jpg": "out/x.wave.jpg"}


def test_the_output_is_no_input() -> None:
    touch("photos/out/b/1.wave.jpg", "photos/out/other.jpg", "photos/b/1.jpg")
    expected = {
        "photos/1.jpg": "photos/out/1.wave.jpg",
        "photos/2.webp": "photos/out/2.wave.webp",
        "photos/b/1.jpg": "photos/out/b/1.wave.jpg",
    }
    plan = plan_results(["photos"], "wave", output="photos/out", recursive=True, overwrite=True)
    assert results(plan) == expected
    assert plan.skipped == []
    # Another run finds them beside the images, and knows those that are results by their names.
    plan = plan_results(["photos"], "scream", recursive=True, styles=["wave"])
    assert [path.as_posix() for path in plan.skipped] == ["photos/out/b/1.wave.jpg"]
    assert set(results(plan)) == {*expected, "photos/out/other.jpg"}
    plan = plan_results(["photos"], "wave", output="photos", recursive=True)
    assert results(plan)["photos/b/1.jpg"] == "photos/b/1.wave.jpg"


def test_links_are_followed_once(here: Path) -> None:
    touch("real/sub/x.jpg", "elsewhere/y.jpg")
    Path("real/sub/up").symlink_to(here / "real", target_is_directory=True)
    Path("real/a-link").symlink_to(here / "real" / "sub", target_is_directory=True)
    Path("real/other").symlink_to(here / "elsewhere", target_is_directory=True)
    Path("elsewhere/back").symlink_to(here / "real", target_is_directory=True)
    Path("real/nowhere").symlink_to(here / "missing", target_is_directory=True)
    plan = plan_results(["real"], "wave", output="out", recursive=True)
    assert results(plan) == {
        "real/other/y.jpg": "out/other/y.wave.jpg",
        "real/sub/x.jpg": "out/sub/x.wave.jpg",
    }
    assert plan.problems == []


def test_a_folder_that_cannot_be_read_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    touch("photos/closed/3.jpg", "photos/open/4.jpg")
    scandir = os.scandir

    def closed(path: str) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    plan = plan_results(["photos"], "wave", recursive=True)
    assert lines_of(plan) == ["photos/closed cannot be read: Permission denied"]
    assert sorted(results(plan)) == ["photos/1.jpg", "photos/2.webp", "photos/open/4.jpg"]


def test_a_folder_of_folders_says_how_they_are_searched() -> None:
    touch("nested/b/x.jpg")
    assert lines_of(plan_results(["nested"], "wave")) == [
        "nested holds no images: --recursive searches the folders in it"
    ]
    assert lines_of(plan_results(["empty"], "wave", recursive=True)) == ["empty holds no images"]


def test_what_is_done_is_left_out_among_several() -> None:
    touch("photos/1.wave.jpg")
    for arguments in (["photos"], ["photos/[12]*"], ["photos/1.jpg", "photos/2.webp"]):
        plan = plan_results(arguments, "wave")
        assert results(plan) == {"photos/2.webp": "photos/2.wave.webp"}
        assert [task.source.as_posix() for task in plan.done] == ["photos/1.jpg"]
        assert plan.problems == plan.outdated == []
        assert len(plan_results(arguments, "wave", overwrite=True).tasks) == 2
    one_match = plan_results(["photos/1.j*"], "wave")
    assert (one_match.tasks, len(one_match.done), one_match.problems) == ([], 1, [])
    gone = plan_results(["photos/gone.jpg", "b.jpg"], "wave")
    touch("photos/gone.wave.jpg")
    assert plan_results(["photos/gone.jpg", "b.jpg"], "wave").tasks == gone.tasks


def test_a_result_older_than_its_image_stays_and_is_told() -> None:
    touch("photos/1.wave.jpg", "photos/2.wave.webp")
    os.utime("photos/1.jpg", (2e9, 2e9))
    plan = plan_results(["photos"], "wave")
    assert plan.tasks == []
    assert len(plan.done) == 2
    assert [task.source.as_posix() for task in plan.outdated] == ["photos/1.jpg"]


@pytest.mark.skipif(os.name == "nt", reason="Windows limits paths, not names")
def test_a_name_that_is_too_long_for_a_result_is_that_images_alone() -> None:
    long = "a" * 245 + ".jpg"
    touch(f"photos/{long}")
    plan = plan_results(["photos"], "kandinsky")
    assert sorted(results(plan)) == ["photos/1.jpg", "photos/2.webp"]
    assert lines_of(plan) == [
        f"photos/{long} cannot become photos/{'a' * 245}.kandinsky.jpg (File name too long): "
        "rename it, or write elsewhere with -o"
    ]
    assert results(plan_results([f"photos/{long}"], "kandinsky", output="c.jpg")) == {
        f"photos/{long}": "c.jpg"
    }
