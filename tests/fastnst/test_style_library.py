"""Styles found by name."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from fastnst import FastnstError, style_library
from fastnst.style_library import Style, find_style, list_styles, to_show, user_folders


@pytest.fixture
def three_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    folders = {source: tmp_path / source for source in ("checkout", "user", "bundled")}
    for source, names in (
        ("checkout", "wave both"),
        ("user", "both kandinsky"),
        ("bundled", "wave the_scream both"),
    ):
        folders[source].mkdir()
        for name in names.split():
            (folders[source] / f"{name}.onnx").write_bytes(b"model")
    (folders["user"] / ".wave.partial.onnx").write_bytes(b"half")
    (folders["user"] / "README.md").write_text("no style")
    monkeypatch.setattr(style_library, "style_folders", lambda: list(folders.items()))
    return folders


def test_the_first_folder_wins(three_folders: dict[str, Path]) -> None:
    assert [(style.name, style.source) for style in list_styles()] == [
        ("both", "checkout"),
        ("kandinsky", "user"),
        ("the_scream", "bundled"),
        ("wave", "checkout"),
    ]
    assert find_style("both") == three_folders["checkout"] / "both.onnx"
    assert find_style("the_scream.onnx") == three_folders["bundled"] / "the_scream.onnx"


def test_an_existing_path_wins_when_it_looks_like_one(
    three_folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("wave").write_bytes(b"no suffix")
    assert find_style("wave") == three_folders["checkout"] / "wave.onnx"
    assert find_style("./wave") == Path("wave")
    Path("wave.onnx").write_bytes(b"here")
    assert find_style("wave.onnx") == Path("wave.onnx")
    assert find_style(tmp_path / "wave.onnx") == tmp_path / "wave.onnx"
    Path("mosaic").write_bytes(b"a file that only lacks its suffix")
    assert find_style("mosaic") == Path("mosaic")


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("kandinski", r"no style is called 'kandinski'; did you mean kandinsky\?"),
        ("Wave", "did you mean wave"),
        ("folder/kandinsk.onnx", r"folder/kandinsk.onnx does not exist; did you mean kandinsky\?"),
        ("scream.onnx", "scream.onnx does not exist; did you mean the_scream"),
        ("xyz", "there are both, kandinsky, the_scream, wave"),
    ],
)
def test_unknown_names_get_the_nearest(three_folders: dict[str, Path], model: str, says: str) -> None:
    with pytest.raises(FastnstError, match=says):
        find_style(model)


def test_without_styles_the_message_says_where_they_go(styles: Path) -> None:
    with pytest.raises(FastnstError, match="no styles at hand") as error:
        find_style("kandinsky")
    assert str(styles) in str(error.value)
    with pytest.raises(FastnstError, match="is a folder"):
        find_style(f"{styles}{os.sep}")


def test_the_variable_names_several_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTNST_STYLES", os.pathsep.join(["/one", "", "/two"]))
    assert user_folders() == [Path("/one"), Path("/two")]


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {"XDG_DATA_HOME": "/data"}, "/data/fastnst/styles"),
        ("linux", {}, "/home/me/.local/share/fastnst/styles"),
        ("darwin", {}, "/home/me/Library/Application Support/fastnst/styles"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/fastnst/styles"),
        ("win32", {}, "/home/me/AppData/Local/fastnst/styles"),
    ],
)
def test_the_platforms_data_folders(
    monkeypatch: pytest.MonkeyPatch, platform: str, environment: dict[str, str], expected: str
) -> None:
    for name in ("FASTNST_STYLES", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    assert user_folders() == [Path(expected)]


def test_a_checkouts_checkpoints_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the folders as they really are
    monkeypatch.setenv("FASTNST_STYLES", "/mine")
    package = tmp_path / "fastnst"
    monkeypatch.setattr(style_library, "__file__", str(package / "style_library.py"))
    installed = [("user", Path("/mine")), ("bundled", package / "styles")]
    assert style_library.style_folders() == installed
    (tmp_path / "checkpoints").mkdir()
    assert style_library.style_folders() == installed
    (tmp_path / "pyproject.toml").touch()
    assert style_library.style_folders() == [("checkout", tmp_path / "checkpoints"), *installed]


def test_pages_show_the_bold_bundled_styles_first_and_others_by_name():
    styles = [Style(name, Path(f"{name}.onnx"), "user") for name in ("b", "cherry_trees", "a", "wave")]
    assert [style.name for style in to_show(styles)] == ["wave", "cherry_trees", "a", "b"]
