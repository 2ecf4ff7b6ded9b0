"""A server that trains, and a stand-in for `python -m train`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fastnst.server import page_files
from fastnst.server.access import AccessRules
from fastnst.server.application import Application, Limits
from fastnst.server.body import BodyLimits
from fastnst.server.open_styles import OpenStyles
from fastnst.server.training import environment
from fastnst.server.training.trainings import Trainings
from fastnst.stylizer import Stylizer
from fastnst.web.samples import Example
from tests.fastnst.make_images import encoded, pixels
from tests.fastnst.server.conftest import Answer, Running
from tests.fastnst.tiny_models import invert

TRAININGS = "/api/v1/trainings"

# Speaks as `python -m train` and `python -m export` do, in no time. It waits where it is told to, saves when
# stopped, and goes on from what it saved.
STAND_IN = """
import json, os, shutil, signal, sys, time
from pathlib import Path
from PIL import Image

command, *given = sys.argv[1:]
options = dict(each[2:].split("=", 1) for each in given if "=" in each)
behaviour = json.loads(Path({behaviour!r}).read_text())

def tell(event, **fields):
    print(json.dumps({{"event": event, **fields}}), file=sys.stderr, flush=True)

if command == "export":
    shutil.copy({style!r}, given[given.index("--output") + 1])
    sys.exit(0)
name, output = options["name"], Path(options["output"])
checkpoint, preview = output / f"{{name}}.ckpt", output / f"{{name}}.png"
stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
print("a library says something", file=sys.stderr)
if behaviour.get("error"):
    tell("error", text=behaviour["error"], process=0)
    sys.exit(2)
if behaviour.get("breaks"):
    sys.exit("RuntimeError: it broke")
tell("message", text="loading PyTorch")
step = int(checkpoint.read_text()) if checkpoint.exists() else 0
steps = 10
tell("started", name=name, step=step, steps=steps)

def show():
    Image.new("RGB", (5 * 328 + 8, 664), (25 * step, 90, 120)).save(preview)
    tell("preview", path=str(preview), step=step, photos=4)

show()
while step < steps:
    step += 1
    tell("progress", step=step, steps=steps, fraction=step / steps, image_size=256, images_per_second=4.2,
         seconds_left=(steps - step) * 30.0, losses={{"content": 0.5 - step / 100, "style": 0.4 / step}})
    if step == behaviour.get("waits_at"):
        show()
        while not stopped and json.loads(Path({behaviour!r}).read_text()).get("waits_at") == step:
            time.sleep(0.01)
    if stopped:
        checkpoint.write_text(str(step))
        tell("interrupted", checkpoint=str(checkpoint))
        sys.exit(130)
show()
checkpoint.write_text(str(step))
tell("finished", name=name, steps=steps, seconds=123.0, C=None, S3=None)
"""


class StandIn:
    """The commands' stand-in; `behave` says that it waits at a step, ends with an error, or breaks."""

    def __init__(self, folder: Path) -> None:
        self._behaviour = folder / "behaviour.json"
        self.behave()
        program = STAND_IN.format(behaviour=str(self._behaviour), style=str(invert(folder / "trained.onnx")))
        (folder / "stand_in.py").write_text(program)
        # As a module, since `python -m train` is what is run.
        for name in ("train", "export"):
            (folder / name).mkdir()
            (folder / name / "__main__.py").write_text(
                f"import runpy, sys\nsys.argv[1:1] = [{name!r}]\n"
                f"runpy.run_path({str(folder / 'stand_in.py')!r}, run_name='__main__')\n"
            )
            (folder / name / "__init__.py").write_text("")
        self.folder = folder

    def behave(self, **behaviour: Any) -> None:
        """Set `waits_at`, `error` or `breaks`."""
        whole = self._behaviour.with_suffix(".new")
        whole.write_text(json.dumps(behaviour))
        whole.replace(self._behaviour)


@pytest.fixture
def stand_in(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Have servers of this process run a stand-in for training."""
    made = StandIn(tmp_path_factory.mktemp("stand_in"))
    original = environment.command_environment

    def with_stand_in() -> dict[str, str]:
        before = original()
        return {**before, "PYTHONPATH": f"{made.folder}:{before['PYTHONPATH']}"}

    monkeypatch.setattr(environment, "command_environment", with_stand_in)
    monkeypatch.setattr(environment, "has_gpu", lambda: False)
    return made


ServeTraining = Callable[..., Running]


@pytest.fixture
def serve_training(styles: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServeTraining]:
    """Start servers that train into the user's folder of styles; options are those of `python -m train`."""
    monkeypatch.setattr(page_files.onnxruntime_web, "find_here", lambda: None)
    started: list[Running] = []

    def start(*options: str, origins: frozenset[str] = frozenset(), token: str | None = None) -> Running:
        opened = OpenStyles(None, lambda path: Stylizer(path, device="cpu", threads=1))
        application = Application(
            opened,
            [Example("shapes", "Shapes", pixels(40, 60))],
            AccessRules(origins=origins, token=token),
            Limits(BodyLimits(1_000_000, 5, 9), 100_000, 4, 1, 20),
            Trainings(styles, "generated", lambda: opened.known(), options),
        )
        started.append(Running(application))
        return started[-1]

    yield start
    for running in started:
        running.stop()


PAINTING = encoded(pixels(50, 40))


def ask(server: Running, method: str, path: str = "", body: bytes | None = None, **headers: str) -> Answer:
    return server.ask(
        method,
        f"{TRAININGS}{path}",
        body,
        {name.replace("_", "-"): text for name, text in headers.items()},
    )


def told(answer: Answer) -> dict[str, Any]:
    assert answer.status in (200, 201), answer.data
    return dict(json.loads(answer.data))


def wait_for(
    server: Running, name: str, is_there: Callable[[dict[str, Any]], object], seconds: float = 60
) -> dict[str, Any]:
    """Wait until a training is as it should be."""
    end = time.monotonic() + seconds
    while not is_there(training := told(ask(server, "GET", f"/{name}"))):
        assert time.monotonic() < end, training
        time.sleep(0.03)
    return training
