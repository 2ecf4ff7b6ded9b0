"""The files for Slurm in examples/, with stand-ins for Slurm and for Python."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="the files are for bash")


@pytest.fixture
def slurm(tmp_path):
    """Run a file as Slurm does; returns the process and what was called."""
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    note = 'printf "%s\\n" "$(basename "$0") $*" >> called\n'
    scripts = {
        "python": f'{note}test "$2" != train || {{ echo checkpoints/a.ckpt; exit "$CODE"; }}\n',
        "srun": 'while [ "${1#--}" != "$1" ]; do shift; done\nexec "$@"\n',
        "scontrol": note,
    }
    for name, script in scripts.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}")
        (programs / name).chmod(0o755)
    (tmp_path / "my paintings").mkdir()
    for name in ("a.jpg", "b c.jpg"):
        (tmp_path / "my paintings" / name).touch()

    def run(name, code, **environment):
        (tmp_path / "called").write_text("")
        done = subprocess.run(
            ["bash", EXAMPLES / name],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={"PATH": f"{programs}:{os.environ['PATH']}", "CODE": str(code)} | environment,
        )
        return done, (tmp_path / "called").read_text().splitlines()

    return run


TRAINED = (
    "python -m train --style=my paintings/b c.jpg --data=/photos --num-nodes=2 --devices=4 --strategy=ddp"
)
GIVEN = {
    "STYLE": "my paintings/b c.jpg",
    "DATA": "/photos",
    "SLURM_JOB_ID": "7",
    "SLURM_NNODES": "2",
    "SLURM_NTASKS_PER_NODE": "4",
}
ARRAY = {"STYLES": "my paintings", "DATA": "/photos", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "1"}


def test_one_painting_is_trained_by_all_tasks_and_exported_once(slurm):
    done, called = slurm("train.sbatch", 0, **GIVEN)
    assert done.returncode == 0, done.stderr
    assert called == [TRAINED, "python -m export --unless-current -- checkpoints/b c.ckpt"]


@pytest.mark.parametrize("code", [130, 143])  # 143: SIGTERM while PyTorch is loaded
def test_an_interrupted_run_is_queued_again(slurm, code):
    assert slurm("train.sbatch", code, **GIVEN)[1] == [TRAINED, "scontrol requeue 7"]
    assert slurm("many.sbatch", code, **ARRAY)[1][1:] == ["scontrol requeue 7_1"]


def test_a_failed_run_is_not_queued_again(slurm):
    done, called = slurm("train.sbatch", 2, **GIVEN)
    assert (done.returncode, called) == (2, [TRAINED])


def test_each_task_of_an_array_trains_its_painting(slurm):
    trained = "python -m train --style=my paintings/b c.jpg --data=/photos"
    done, called = slurm("many.sbatch", 0, **ARRAY)
    assert done.returncode == 0, done.stderr
    assert called == [trained, "python -m export --unless-current -- checkpoints/a.ckpt"]
    done, called = slurm("many.sbatch", 2, **ARRAY)
    assert (done.returncode, called) == (2, [trained])
    done, called = slurm("many.sbatch", 0, **ARRAY | {"SLURM_ARRAY_TASK_ID": "2"})
    assert (done.returncode, called) == (0, [])
    assert done.stdout == "there are only 2 paintings in my paintings\n"


@pytest.mark.parametrize(("name", "given"), [("train.sbatch", GIVEN), ("many.sbatch", ARRAY)])
def test_what_is_missing_is_said(slurm, name, given):
    for missing in given.keys() & {"STYLE", "STYLES", "DATA", "SLURM_ARRAY_TASK_ID"}:
        done, called = slurm(name, 0, **{key: value for key, value in given.items() if key != missing})
        assert done.returncode != 0
        assert called == []
        assert f"{missing}: give the " in done.stderr
