"""Stand-ins for training and export that tell what these tell, in milliseconds."""

import io
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from train.many import __main__ as command
from train.many import style_run

ROOT = Path(__file__).parents[3]

# As `python -m train` and `python -m export`: a painting's name says how its training ends.
STAND_IN = r"""
import json, os, signal, sys, time
from pathlib import Path

module, arguments = sys.argv[2], sys.argv[3:]
def tell(event, **fields):
    print(json.dumps({"event": event, **fields}), file=sys.stderr, flush=True)
if module == "export":
    checkpoint = Path(arguments[-1])
    if checkpoint.stem == "unexported":
        print("reading it\nexport: error: it cannot be read", file=sys.stderr)
        sys.exit(2)
    checkpoint.with_suffix(".onnx").write_bytes(Path(os.environ["A_STYLE_FILE"]).read_bytes())
    sys.exit(0)
options = dict(argument[2:].partition("=")[::2] for argument in arguments)
name, output = Path(options["style"]).stem, Path(options["output"])
checkpoint, part = output / f"{name}.ckpt", output / f"{name}.part"
noted = {key: os.environ.get(key) for key in os.environ["NOTED"].split()}
with (output / f"{name}.calls").open("a") as calls:
    calls.write(json.dumps([arguments, noted]) + "\n")
finished = dict(name=name, steps=4, seconds=61.5, C=0.4, S3=0.05, flicker=1.25, checkpoint=str(checkpoint))
if checkpoint.exists():
    tell("message", text="already trained")
    tell("finished", **finished)
    sys.exit(0)
def stop(*_):
    part.write_text("saved")
    tell("interrupted", checkpoint=str(part))
    os._exit(130)
signal.signal(signal.SIGINT, stop)
if name.startswith(("long", "lost")):
    sys.path.insert(0, os.environ["CHECKOUT"])
    from fastnst.parent_process import stop_with_parent
    stop_with_parent()
    signal.signal(signal.SIGTERM, stop)
tell("started", name=name, step=2 if part.exists() else 0, steps=4)
print("a library's warning", file=sys.stderr)
progress = dict(step=1, steps=4, fraction=0.25, image_size=32, images_per_second=2.0, seconds_left=5.0)
tell("progress", **progress, losses={"content": 0.5, "style": 0.25})
if name in ("killed", "lost") and not part.exists():
    part.write_text("saved")
    tell("saved", path=str(part), step=2)
    os.kill(os.getpid() if name == "killed" else os.getppid(), signal.SIGKILL)
    time.sleep(60)
if name == "failing":
    tell("error", text="failing.jpg is no picture", process=None)
    sys.exit(2)
if name == "broken":
    print("Traceback (most recent call last):\nMemoryError: it is full", file=sys.stderr)
    sys.exit(1)
if name.startswith("long") and not part.exists():
    (output / f"{name}.runs").touch()
    time.sleep(60)
checkpoint.write_text("trained")
tell("finished", **finished)
"""


@pytest.fixture
def paintings(tmp_path):
    """Make small paintings by their names."""

    def make(*names):
        paths = []
        for number, name in enumerate(names):
            path = tmp_path / "paintings" / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 12, 3), 40 * number, np.uint8)).save(path)
            paths.append(str(path))
        return paths

    return make


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Have stand-ins take the places of training and export; the sheet has tests of its own."""
    path = tmp_path / "stand_in.py"
    path.write_text(STAND_IN)
    model = tmp_path / "a.onnx"
    model.write_bytes(b"no style file")
    monkeypatch.setenv("A_STYLE_FILE", str(model))
    monkeypatch.setenv("CHECKOUT", str(ROOT))
    monkeypatch.setenv("NOTED", "CUDA_VISIBLE_DEVICES OMP_NUM_THREADS WANDB_RUN_GROUP")
    for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "WANDB_RUN_GROUP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(style_run, "PYTHON", (sys.executable, "-S", "-E", str(path)))
    monkeypatch.setattr(command, "_show", lambda *_: (None, {}))


@pytest.fixture
def many(stand_in, tmp_path):
    """Run the command on stand-ins; returns the exit code, standard output and standard error."""

    def run(*arguments):
        out, err = io.StringIO(), io.StringIO()
        given = ["--data=generated", f"--output={tmp_path / 'out'}", "--logger=none", "--accelerator=cpu"]
        with redirect_stdout(out), redirect_stderr(err):
            code = command.main([*arguments, *given])
        return code, out.getvalue(), err.getvalue()

    return run


# The command with stand-ins, as a process.
COMMAND = """
import sys
from train.many import __main__ as command, style_run
style_run.PYTHON = (sys.executable, "-S", "-E", sys.argv[1])
command._show = lambda *_: (None, {})
sys.exit(command.main(sys.argv[2:]))
"""


@pytest.fixture
def start_many(stand_in, tmp_path):
    """Start the command on stand-ins as a process; returns it."""
    processes = []

    def start(*arguments):
        given = ["--data=generated", f"--output={tmp_path / 'out'}", "--logger=none", "--accelerator=cpu"]
        command = [sys.executable, "-c", COMMAND, tmp_path / "stand_in.py", *arguments, *given]
        processes.append(
            subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()
