"""The command `fastnst` itself: its version, its help, and what it asks for."""

from __future__ import annotations

from collections.abc import Callable

from click.testing import Result

import fastnst

Run = Callable[..., Result]
Fails = Callable[..., str]


def test_a_missing_argument_says_where_the_help_is(fails: Fails) -> None:
    assert "(fastnst stylize --help says more)" in fails("stylize", "-m", "wave")
    assert "Missing option" in fails("stylize", "photo.jpg")
    assert "No such command 'styl'" in fails("styl")


def test_version_and_help(run: Run) -> None:
    assert run("--version").output == f"fastnst {fastnst.__version__}\n"
    for arguments in ([], ["-h"], ["--help"]):
        result = run(*arguments)
        assert result.exit_code == 0
        assert "  fastnst stylize -m kandinsky photo.jpg       writes photo.kandinsky.jpg\n" in result.output
    for command in ("stylize", "sheet", "info", "styles"):
        assert run(command, "-h").output.startswith(f"Usage: fastnst {command} ")
