import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastnst.errors import FastnstError
from train.command import CommandParser, naming_missing_packages, run_command, write_result

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (7, 7)])
def test_the_exit_code_is_the_commands_own(returned, code, capsys):
    assert run_command("paint", lambda: returned) == code
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (FastnstError("no brush:\n  buy one"), 2, "paint: error: no brush: buy one\n"),
        (KeyboardInterrupt(), 130, "paint: interrupted\n"),
        (OSError(28, "No space left on device"), 2, "paint: error: the disk is full\n"),
        (OSError(28, "No space", "a.csv"), 2, "paint: error: the disk is full: cannot write a.csv\n"),
        (OSError(36, "File name too long", "aaa"), 2, "paint: error: File name too long: aaa\n"),
    ],
)
def test_a_mistake_and_an_interruption_are_one_line(error, code, line, capsys):
    def fail():
        raise error

    assert run_command("paint", fail) == code
    assert capsys.readouterr() == ("", line)


def test_a_reader_that_has_gone_ends_a_command_without_a_word():
    program = (
        "import sys; from train.command import print_result, run_command\n"
        "sys.exit(run_command('paint', lambda: [print_result('x' * 1000) for _ in range(1000)] and None))"
    )
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_bug_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        run_command("paint", lambda: 1 // 0)
    with pytest.raises(OSError, match="Bad file descriptor"):
        run_command("paint", lambda: os.close(10**6))


def test_a_mistake_on_the_command_line_says_where_help_is():
    with pytest.raises(FastnstError, match=r"^unrecognized arguments: --red \(python -m paint --help says"):
        CommandParser("paint", "Paint.").parse_args(["--red"])


def test_a_package_that_is_not_installed_is_named():
    with (
        pytest.raises(FastnstError, match="painting needs brushes_of_nobody, which is not installed"),
        naming_missing_packages("painting"),
    ):
        import brushes_of_nobody  # type: ignore[import-not-found]  # noqa: F401


def test_a_missing_module_of_our_own_is_a_bug():
    with pytest.raises(ModuleNotFoundError), naming_missing_packages("painting"):
        importlib.import_module("train.brushes_of_nobody")


def test_a_result_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "result.txt"
    write_result(path, lambda temporary: temporary.write_text("first"))

    def run_out_of_space(temporary):
        temporary.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(FastnstError, match=r"cannot write .*result\.txt: No space left on device"):
        write_result(path, run_out_of_space)
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("result.txt", "first")]


def test_a_result_takes_the_place_of_what_a_killed_process_left(tmp_path):
    left = tmp_path / ".wave.abcd1234.partial.onnx"
    another = tmp_path / ".sea.abcd1234.partial.onnx"
    for path in (left, another):
        path.write_bytes(b"half a style")
    write_result(tmp_path / "wave.onnx", lambda temporary: temporary.write_bytes(b"a style"))
    assert sorted(tmp_path.iterdir()) == [another, tmp_path / "wave.onnx"]
