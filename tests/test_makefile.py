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
    # Python's part: it notes what it is given, and prints what training prints.
    python.write_text(
        '#!/bin/sh\nfor argument; do printf "%s\\n" "$argument"; done > arguments.${2%%.*}\n'
        'cp "arguments.${2%%.*}" arguments\nprintenv PYTHONDONTWRITEBYTECODE > unkept\n'
        'test "$2" != train || cat checkpoint\n'
    )
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
        "STYLE=it's $5.jpg",
        "DATA=a b",
        "ARGS=--photos 3 --direct-steps 9",
    )
    assert done.returncode == 0, done.stderr
    assert given == [
        *("-m", "train.evaluate", "--model=my style.onnx", "--style=it's $5.jpg", "--data=a b"),
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
    assert given == ["-m", "export.demo", "--data=my photos", "--fresh"]


def test_compiled_modules_are_kept_whatever_the_account_says(make, tmp_path):
    assert make("demo", PYTHONDONTWRITEBYTECODE="1")[0].returncode == 0
    assert (tmp_path / "unkept").read_text().strip() == ""


NAMES = [
    *(
        "my$art.jpg",
        "$(HOME).jpg",
        "${HOME}.jpg",
        "$$.jpg",
        "$(shell touch owned).jpg",
        "a#b.jpg",
        "a b  c.jpg",
    ),
    *(
        "it's.jpg",
        'the "Scream".jpg',
        "a;touch owned",
        "`touch owned`.jpg",
        "$`.jpg",
        "a&b|c<d>e.jpg",
        "*.jpg",
    ),
    *(
        "[a]?.jpg",
        "~root.jpg",
        "a\\nb\\.jpg",
        "a=b:=c.jpg",
        "100%.jpg",
        "a:b,c.jpg",
        "-x.jpg",
        "{a,b}.jpg",
        "神奈川.jpg",
    ),
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_a_file_arrives_as_it_is(make, tmp_path, name):
    (tmp_path / "checkpoint").write_text(f"{name}.ckpt\n")
    done, exported = make(
        "train", f"STYLE={name}", f"DATA={name}", f"NAME={name}", "ARGS=--images 5", "FRESH=1"
    )
    assert done.returncode == 0, done.stderr
    trained = (tmp_path / "arguments.train").read_text().splitlines()
    assert trained == [
        *("-m", "train", f"--style={name}", f"--data={name}", f"--name={name}", "--fresh", "--images", "5")
    ]
    assert exported == ["-m", "export", "--unless-current", "--", f"{name}.ckpt"]
    assert make("export", f"CKPT={name}", "ARGS=--half")[1] == ["-m", "export", "--half", "--", name]
    given = make("evaluate", f"MODEL={name}", f"STYLE={name}", f"DATA={name}")[1]
    assert given == ["-m", "train.evaluate", f"--model={name}", f"--style={name}", f"--data={name}"]
    assert not (tmp_path / "owned").exists()


def test_what_args_quote_arrives_whole(make):
    given = make("demo", "ARGS=--style-author 'A. $N. Other' --seed 5")[1]
    assert given == ["-m", "export.demo", "--style-author", "A. $N. Other", "--seed", "5"]
