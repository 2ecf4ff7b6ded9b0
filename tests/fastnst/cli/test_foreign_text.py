"""A terminal shows what others wrote, and does nothing else: through every command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import Result

import export.cli
import train.cli
import train.evaluate.__main__
from fastnst.terminal import one_line, printable
from fastnst.video import webcam
from tests.fastnst import tiny_models
from tests.fastnst.make_images import encoded, pixels

Run = Callable[..., Result]

# Clears the screen, sets the title, goes back to the line's beginning, fakes a line, and turns the direction.
HOSTILE = "a\x1b[2J\x1b]0;t\x07\rb\x08\x9b1m\nfastnst: 9 painted\u202e\u2028\x7f"
SHOWN = r"a\x1b[2J\x1b]0;t\x07\rb\x08\x9b1m"


def assert_harmless(text: str, lines: int | None = None) -> None:
    assert not {character for character in text if not character.isprintable()} - {"\n", "\t"}
    assert not any(line.startswith("fastnst: 9 painted") for line in text.splitlines())
    assert lines is None or text.count("\n") == lines


def test_what_is_printable_stays() -> None:
    for text in ("caf\xe9 \U0001f3a8  'x' \\ %s.jpg", "\u4e2d\u6587", "\u05e9\u05dc"):
        assert printable(text) == one_line(text) == text
    assert printable(HOSTILE) == SHOWN + r"\nfastnst: 9 painted\u202e\u2028\x7f"
    assert one_line("first\n  second\x1b[0m\n") == r"first second\x1b[0m"
    assert printable(Path("a\tb")) == r"a\tb"
    assert printable("\ufeffa") == r"\ufeffa"
    assert one_line("x" * 10**6) == "x" * 1497 + "..."


@pytest.fixture
def style(styles: Path) -> Path:
    """A style in the library with a hostile name and hostile metadata."""
    return tiny_models.invert(
        styles / f"{HOSTILE}.onnx",
        metadata=tiny_models.CONTRACT | {HOSTILE: HOSTILE, "style.author": HOSTILE},
    )


def test_images(run: Run, style: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / f"{HOSTILE}.png").write_bytes(encoded(pixels(4, 5)))
    (folder / f"{HOSTILE}2.png").write_bytes(b"no image")
    (folder / f"{HOSTILE}.jxl").write_bytes(b"no image")
    result = run("stylize", "-m", style, folder)
    assert result.exit_code == 2
    assert_harmless(result.stdout, 1)
    assert_harmless(result.stderr, 3)
    assert SHOWN in result.stdout
    assert SHOWN.replace(r"\r", " ") in result.stderr
    for arguments in (["-m", HOSTILE], ["--blend", HOSTILE], ["-m", style, "-o", HOSTILE], [f"--{HOSTILE}"]):
        failed = run("stylize", *arguments, folder / f"{HOSTILE}3.png")
        assert (failed.exit_code, failed.stdout) == (2, "")
        assert_harmless(failed.stderr, 1)


def test_styles(run: Run, style: Path) -> None:
    style.with_name(f"{HOSTILE}2.onnx").write_bytes(b"no model")
    result = run("styles")
    assert_harmless(result.stdout, 2)
    assert_harmless(result.stderr, 1)
    assert SHOWN in result.stdout
    as_json = run("styles", "--json").stdout
    assert {entry["name"] for entry in json.loads(as_json)} == {HOSTILE, f"{HOSTILE}2"}
    assert "\x1b" not in as_json


def test_info(run: Run, style: Path) -> None:
    result = run("info", style)
    assert result.exit_code == 0
    assert_harmless(result.stdout)
    assert SHOWN.replace(r"\r", " ") in result.stdout
    assert HOSTILE in json.loads(run("info", style, "--json").stdout)["metadata"]


def test_videos(run: Run, style: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("av")
    (tmp_path / f"{HOSTILE}.mp4").write_bytes(b"no video")
    for name in (f"{HOSTILE}.mp4", f"{HOSTILE}2.mp4", f"{HOSTILE}*.mp4"):
        result = run("video", "-m", style, tmp_path / name)
        assert (result.exit_code, result.stdout) == (2, "")
        assert_harmless(result.stderr, 1)
    titles = []
    monkeypatch.setattr("fastnst.video.imports.import_cv2_with_window", SimpleNamespace)
    monkeypatch.setattr(webcam, "show_webcam", lambda *_, title, **__: titles.append(title))
    assert run("webcam", "-m", style).exit_code == 0
    assert_harmless(titles[0], 0)


def test_training_evaluating_and_exporting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(tmp_path / HOSTILE)
    for main, arguments in (
        (train.cli.main, [f"--style={missing}"]),
        (train.cli.main, [f"--{HOSTILE}"]),
        (train.evaluate.__main__.main, [missing]),
        (train.evaluate.__main__.main, [f"--{HOSTILE}"]),
        (export.cli.main, [missing]),
        (export.cli.main, [f"--{HOSTILE}"]),
    ):
        assert main(arguments) == 2
        out, err = capsys.readouterr()
        assert_harmless(out)
        assert_harmless(err)
        assert "a" in err.splitlines()[-1]
