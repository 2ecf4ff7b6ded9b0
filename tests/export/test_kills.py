"""Exports that are killed at any moment, beside another one of the same style."""

import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from fastnst import Stylizer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9"),
]

ROOT = Path(__file__).parents[2]

# Exports, alone and two at once, of which one is killed around the time at which it writes. PyTorch is
# imported once for all, and the network was traced before.
KILL_ONE_OF_TWO = """
import os, random, signal, sys, time
from pathlib import Path
import numpy as np
import onnx
from export import style_file
from export.cli import main

checkpoint, traced, result, log = sys.argv[1:]
folder = Path(result).parent
chance = random.Random(0)
style_file.build_model = lambda *_, **__: onnx.load(traced)
built = style_file.build_style(checkpoint)
built.model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones(1_000_000, np.float32), "unused"))
whole = style_file.serialize(built.model)
style_file.build_style = lambda *_, **__: built
flush = os.fsync
os.fsync = lambda file: (time.sleep(0.1), flush(file))  # as on a slow disk

def start():
    child = os.fork()
    if child:
        return child
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
    os.dup2(1, 2)
    os._exit(main([checkpoint, "-o", result]))

def code(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def left():
    return [path for path in folder.iterdir() if path.name.startswith(".")]

for number in range(8):
    killed = start()
    while not left() and os.waitid(os.P_PID, killed, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(0.001)
    other = start() if number % 2 else None
    time.sleep(chance.uniform(0, 0.15))
    os.kill(killed, signal.SIGKILL)
    assert code(killed) in (-signal.SIGKILL, 0)
    if other:
        assert code(other) == 0
    if other or os.path.exists(result):
        assert Path(result).read_bytes() == whole
    print("left", len(left()))
    if number % 4 == 3:
        os.unlink(result)
assert code(start()) == 0
assert Path(result).read_bytes() == whole
assert left() == []
"""


def test_a_killed_export_leaves_a_whole_file_or_none(checkpoint, plain, tmp_path):
    path, log = tmp_path / "out" / "kandinsky.onnx", tmp_path / "log"
    path.parent.mkdir()
    onnx.save(plain, traced := tmp_path / "traced.onnx")
    command = [sys.executable, "-c", KILL_ONE_OF_TWO, checkpoint, traced, path, log]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert "Traceback" not in log.read_text()
    assert [found.name for found in path.parent.iterdir()] == [path.name]
    # Some kills did come while the file was written: the next export took away what they left.
    assert process.stdout.count("left 1") >= 1
    assert Stylizer(path).model
