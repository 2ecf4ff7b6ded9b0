"""Many trainings by one command: what is started, how each may end, and what is left of all."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from train.many import places

ROOT = Path(__file__).parents[3]


def calls(tmp_path, name):
    """Return the arguments and the environment of each training of a style."""
    return [json.loads(line) for line in (tmp_path / "out" / f"{name}.calls").read_text().splitlines()]


def table(tmp_path, group="many"):
    with (tmp_path / "out" / f"{group}.csv").open(newline="") as file:
        return {row["style"]: row for row in csv.DictReader(file)}


def test_each_painting_is_trained_and_exported_and_the_table_has_all(many, paintings, tmp_path):
    code, out, err = many(*paintings("a", "b", "c"), "--jobs=2", "--images", "40", "--compile")
    assert code == 0, err
    for name in "abc":
        ((arguments, _),) = calls(tmp_path, name)
        assert arguments[0] == f"--style={tmp_path / 'paintings' / name}.png"
        assert arguments[1:4] == ["--images", "40", "--compile"]
        assert arguments[-1] == "--progress=json"
        assert (tmp_path / "out" / f"{name}.onnx").exists()
        assert f"{name}: trained in 1:02, C 0.400, S3 0.0500: " in err
    assert out.split("\n") == [
        "style      C      S3  flicker  seconds  state",
        "a      0.400  0.0500     1.25       62  trained",
        "b      0.400  0.0500     1.25       62  trained",
        "c      0.400  0.0500     1.25       62  trained",
        "",
    ]
    rows = table(tmp_path)
    assert [rows["b"][key] for key in ("C", "S3", "flicker", "seconds", "steps", "state")] == [
        *("0.4", "0.05", "1.25", "61.5", "4", "trained")
    ]
    assert "a library's warning\n" in (tmp_path / "out" / "many.logs" / "a.log").read_text()
    saved = json.loads((tmp_path / "out" / "many.json").read_text())
    assert [row["style"] for row in saved["styles"]] == ["a", "b", "c"]
    assert saved["styles"][0]["model"] == str(tmp_path / "out" / "a.onnx")


def test_a_style_that_fails_leaves_the_others_alone(many, paintings, tmp_path):
    code, out, err = many(*paintings("failing", "broken", "unexported", "good"), "--group", "all")
    assert code == 2
    logs = tmp_path / "out" / "all.logs"
    assert f"failing: failed: failing.jpg is no picture ({logs / 'failing.log'})\n" in err
    assert f"broken: failed: MemoryError: it is full (exit code 1) ({logs / 'broken.log'})\n" in err
    assert "unexported: failed: it cannot be read (exit code 2)" in err
    assert [line.split()[-1] for line in out.splitlines()[1:]] == ["failed", "failed", "failed", "trained"]
    assert out.splitlines()[1].split() == ["failing", "-", "-", "-", "-", "failed"]
    assert table(tmp_path, "all")["failing"]["reason"] == "failing.jpg is no picture"


def test_the_same_command_skips_what_is_trained(many, paintings, tmp_path):
    assert many(*paintings("a"))[0] == 0
    code, out, err = many(*paintings("a", "b"))
    assert code == 0
    assert [line.split()[-1] for line in out.splitlines()[1:]] == ["skipped", "trained"]
    assert "a: already trained in 1:02" in err
    assert table(tmp_path)["a"]["C"] == "0.4"


def test_json_is_a_style_a_line_and_events_name_their_style(many, paintings):
    code, out, err = many(*paintings("a", "failing"), "--json", "--progress", "json", "--jobs=1")
    assert code == 2
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["style"], row["state"], row["S3"]) for row in rows] == [
        ("a", "trained", 0.05),
        ("failing", "failed", None),
    ]
    events = [json.loads(line) for line in err.splitlines()]
    of_a = [(event["event"], event.get("state")) for event in events if event.get("name") == "a"]
    assert of_a == [
        ("state", "training"),
        ("started", None),
        ("progress", None),
        ("finished", None),
        ("state", "exporting"),
        ("state", "trained"),
    ]
    (failed,) = [event for event in events if event.get("state") == "failed"]
    assert failed["reason"] == "failing.jpg is no picture"


def test_each_run_has_cores_of_its_own_and_the_group_of_all(many, paintings, tmp_path, monkeypatch):
    monkeypatch.setattr(places, "_cores", lambda: 12)
    monkeypatch.setattr(places, "free_memory", lambda: 64 * 10**9)
    assert many(*paintings("a", "b", "c", "d"), "--group=autumn")[0] == 0
    assert calls(tmp_path, "a")[0][1] == {
        "CUDA_VISIBLE_DEVICES": None,
        "OMP_NUM_THREADS": "4",
        "WANDB_RUN_GROUP": "autumn",
    }


def test_each_run_has_a_gpu_of_its_own(paintings, monkeypatch):
    from train.many.options import read_arguments

    def gpus(visible, *arguments, styles=9):
        options = read_arguments([*paintings("a"), *arguments])
        monkeypatch.setattr(places, "_visible_gpus", lambda: visible)
        found = places.find_places(options.config, options.jobs, styles)
        return [place.get("CUDA_VISIBLE_DEVICES") for place in found]

    assert gpus(["0", "1", "2"]) == ["0", "1", "2"]
    assert gpus(["0", "1", "2"], styles=2) == ["0", "1"]
    assert gpus(["4", "GPU-5a"], "--jobs", "4") == ["4", "GPU-5a", "4", "GPU-5a"]
    assert gpus(["0", "1", "2", "3", "4"], "--devices", "2") == ["0,1", "2,3"]
    assert gpus(["0", "1"], "--accelerator", "cpu", "--jobs=1") == [None]


def test_memory_bounds_how_many_run_at_once(many, paintings, monkeypatch):
    monkeypatch.setattr(places, "_cores", lambda: 64)
    monkeypatch.setattr(places, "free_memory", lambda: 7 * 10**9)
    assert "3 styles, 2 at a time, 32 threads each; " in many(*paintings("a", "b", "c"))[2]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "give the paintings: python -m train.many styles/*.jpg"),
        (["missing.jpg"], "there is no painting missing.jpg"),
        (["{a}", "--name", "x"], "--name is no option here: each style has the name of its painting's file"),
        (["{a}", "--style={a}"], "--style is no option here: give the paintings without an option"),
        (["{a}", "--jobs", "0"], "--jobs must be at least 1, got 0"),
        (["{a}", "--jobs", "many"], "argument --jobs: invalid int value: 'many'"),
        (["{a}", "--imges", "5"], "--imges is an option neither of train.many nor of train"),
        (["{a}", "--images", "none"], "--images"),
        (["{a}", "--images", "0"], "--images must be at least 1, got 0"),
        (["{a}", "--preset", "fast"], "there is no preset 'fast'; there are "),
        (["{a}", "--group", "a/b"], "--name 'a/b' must be a plain file name without folders"),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_started(many, paintings, tmp_path, arguments, line):
    (path,) = paintings("a")
    code, out, err = many(*(argument.format(a=path) for argument in arguments))
    assert (code, out) == (2, "")
    assert err.startswith(f"many: error: {line}" if line != "--images" else "many: error: ")
    assert line in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_two_paintings_of_one_name_are_a_mistake_and_one_given_twice_is_not(many, paintings, tmp_path):
    (path,) = paintings("a")
    other = tmp_path / "elsewhere" / "a.jpg"
    other.parent.mkdir()
    Image.new("RGB", (8, 8)).save(other)
    code, _, err = many(path, str(other))
    assert code == 2
    assert err == (
        f"many: error: {path} and {other} would both be the style a: rename one of them, or train them in "
        "two calls with another --output\n"
    )
    assert many(path, os.path.relpath(path))[0] == 0
    assert len(calls(tmp_path, "a")) == 1


def test_options_may_stand_before_the_paintings(many, paintings, tmp_path):
    first, second = paintings("a", "b")
    assert many("--fresh", first, "--images", "7", second, "--compile", "false")[0] == 0
    assert calls(tmp_path, "b")[0][0][1:6] == ["--fresh", "--images", "7", "--compile", "false"]
    assert many("--images=7", "--", first)[0] == 2  # as what follows are paintings


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_every_run_and_the_same_command_goes_on(many, paintings, tmp_path, number):
    given = [*paintings("long_a", "long_b", "later"), "--jobs=2"]
    output = tmp_path / "out"

    def interrupt():
        while not all((output / f"{name}.runs").exists() for name in ("long_a", "long_b")):
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=interrupt)
    thread.start()
    code, out, err = many(*given)
    thread.join()
    assert code == 130
    assert {path.name for path in output.glob("*.part")} == {"long_a.part", "long_b.part"}
    assert not (output / "later.calls").exists()
    assert [line.split()[-1] for line in out.splitlines()[1:]] == ["interrupted", "interrupted", "waiting"]
    assert "long_a: interrupted; the same command goes on\n" in err
    code, out, err = many(*given)
    assert code == 0, err
    assert '"step": 2' in (output / "many.logs" / "long_a.log").read_text()
    assert [row["state"] for row in table(tmp_path).values()] == ["trained"] * 3


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no SIGKILL")
def test_trainings_save_and_end_when_the_command_is_killed(start_many, many, paintings, tmp_path):
    given = [*paintings("long_a", "long_b"), "--jobs=2"]
    output = tmp_path / "out"
    process = start_many(*given)
    while not all((output / f"{name}.runs").exists() for name in ("long_a", "long_b")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.kill()
    end = time.monotonic() + 30
    while {path.name for path in output.glob("*.part")} != {"long_a.part", "long_b.part"}:
        assert time.monotonic() < end, "they go on"
        time.sleep(0.01)
    code, _, err = many(*given)
    assert code == 0, err


def test_help_says_where_the_other_options_are():
    done = subprocess.run(
        [sys.executable, "-m", "train.many", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "python -m train --help" in done.stdout
