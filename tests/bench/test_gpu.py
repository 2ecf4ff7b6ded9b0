import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "bench" / "gpu.sh"


def run(*arguments, **environment):
    return subprocess.run(
        [SCRIPT, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHON": sys.executable, "CUDA_VISIBLE_DEVICES": ""} | environment,
    )


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        ([], {}, "give the painting, a folder of photos"),
        (["missing.jpg", ".", "out"], {}, "there is no painting missing.jpg"),
        ([SCRIPT, "missing", "out"], {}, "there is no folder missing"),
        ([SCRIPT, ".", "out"], {"PYTHON": "no-python"}, "there is no no-python"),
        ([SCRIPT, ".", "out"], {"DEVICE": "tpu"}, "DEVICE must be cuda or cpu"),
        ([SCRIPT, ".", "out"], {}, "PyTorch sees no GPU"),
    ],
)
def test_what_cannot_be_measured_is_one_line_and_nothing_is_written(tmp_path, arguments, environment, said):
    out = tmp_path / "out"
    ended = run(*[out if argument == "out" else argument for argument in arguments], **environment)
    assert ended.returncode == 2
    assert ended.stderr.startswith("bench/gpu.sh: error: ")
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not out.exists()


def test_the_help_names_a_command():
    ended = run("--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "bench/gpu.sh PAINTING PHOTOS OUT" in ended.stdout
