"""What the targets of the Makefile make of their variables, with a stand-in for Python."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def make(tmp_path):
    """Run make beside an environment that is installed; returns the process and what Python was given."""
    binaries = tmp_path / ".venv" / "bin"
    binaries.mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv" / ".installed-cpu").touch()
    python = binaries / "python"
    python.write_text('#!/bin/sh\nfor argument; do printf "%s\\n" "$argument"; done > arguments\nexit 0\n')
    python.chmod(0o755)

    def run(*arguments, **environment):
        done = subprocess.run(
            ["make", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"]} | environment,
        )
        given = tmp_path / "arguments"
        return done, given.read_text().splitlines() if given.exists() else None

    return run


def test_evaluate_hands_its_values_over_whole(make):
    done, given = make(
        "evaluate",
        "MODEL=my style.onnx",
        "STYLE=it's $$5.jpg",
        "DATA=a b",
        "ARGS=--photos 3 --direct-steps 9",
    )
    assert done.returncode == 0, done.stderr
    assert given == [
        *("-m", "train.evaluate", "--model", "my style.onnx", "--style", "it's $5.jpg", "--data", "a b"),
        *("--photos", "3", "--direct-steps", "9"),
    ]


@pytest.mark.parametrize("missing", ["MODEL", "STYLE", "DATA"])
def test_evaluate_says_what_is_missing(make, missing):
    values = {"MODEL": "wave", "STYLE": "wave.jpg", "DATA": "photos"}
    arguments = [f"{name}={value}" for name, value in values.items() if name != missing]
    # A variable of the account is no value.
    done, given = make("evaluate", *arguments, **{missing: "elsewhere"})
    assert done.returncode == 2
    assert given is None
    assert done.stderr.splitlines()[0] == (
        "make evaluate: error: give the style, its painting and photos: "
        "make evaluate MODEL=name STYLE=painting.jpg DATA=folder"
    )


@pytest.mark.parametrize("target", ["demo", "evaluate"])
def test_help_lists_it(make, target):
    assert any(line.startswith(f"  {target} ") for line in make("help")[0].stdout.splitlines())


def test_demo_needs_nothing_and_hands_its_options_over(make):
    done, given = make("demo")
    assert done.returncode == 0, done.stderr
    assert given == ["-m", "export.demo"]
    assert make("demo", "ARGS=--seed 5 --images 600")[1] == [*given, "--seed", "5", "--images", "600"]


def test_demo_takes_data_and_fresh_and_refuses_what_it_would_ignore(make):
    for variable in ("STYLE", "NAME"):
        done, given = make("demo", f"{variable}=mine.jpg")
        assert (done.returncode, given) == (2, None)
        assert done.stderr.startswith(
            "make demo: error: it draws its own painting; train a style of yours with make"
        )
    given = make("demo", "DATA=my photos", "FRESH=1")[1]
    assert given == ["-m", "export.demo", "--data", "my photos", "--fresh"]
