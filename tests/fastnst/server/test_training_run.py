"""Real trainings by the command `fastnst serve`: cancelled, killed with their server, resumed, and used."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fastnst.tiny_models import invert
from tests.train.conftest import TinyStyle, environment, tiny  # noqa: F401

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no training from the page"),
]

ROOT = Path(__file__).parents[3]

# The command, with the options of a tiny run for those of its qualities.
SERVE = """
import json, sys
from fastnst.cli import main
from fastnst.server.training import trainings

options = json.loads(sys.argv.pop(1))
trainings.train_options = lambda *_: options
sys.exit(main())
"""


class Server:
    """`fastnst serve` as a process."""

    def __init__(self, options: list[str], styles: Path, environment: dict[str, str]) -> None:  # noqa: F811
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, json.dumps(options), "serve", "--port", "0", "--device", "cpu"],
            cwd=ROOT,
            env={**environment, "FASTNST_STYLES": str(styles), "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(f"{self.address}api/v1/{path}", body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read()) from None

    def training(self) -> dict[str, Any]:
        return dict(json.loads(self.ask("GET", "trainings/mine")))

    def wait_for(self, is_there: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        end = time.monotonic() + 400
        while not is_there(found := self.training()):
            assert time.monotonic() < end, found
            assert found["state"] != "failed", found
            time.sleep(0.05)
        return found


@pytest.fixture
def start(
    tiny: TinyStyle,  # noqa: F811
    environment: dict[str, str],  # noqa: F811
    styles: Path,
) -> Iterator[Callable[[], Server]]:
    left_out = ("--style=", "--name=", "--output=")
    changes: dict[str, Any] = {"images": 400, "quality_size": 0, "checkpoint_seconds": 0}
    options = [each for each in tiny.arguments(styles, **changes) if not each.startswith(left_out)]
    started: list[Server] = []

    def begin() -> Server:
        started.append(Server(options, styles, environment))
        return started[-1]

    yield begin
    for server in started:
        server.kill()


def processes_of(folder: Path) -> list[tuple[int, str]]:
    """The processes whose command names a folder, with their numbers."""
    listed = subprocess.run(
        ["ps", "-eww", "-o", "pid,args"], capture_output=True, text=True, check=True
    ).stdout
    found = [line.strip().partition(" ") for line in listed.splitlines()[1:]]
    return [(int(number), command) for number, _, command in found if str(folder) in command]


def wait_gone(folder: Path) -> None:
    """Wait until nothing trains for nobody."""
    end = time.monotonic() + 200
    while left := processes_of(folder):
        assert time.monotonic() < end, left
        time.sleep(0.1)


@pytest.mark.timeout(1500)
def test_a_real_training(start: Callable[[], Server], tiny: TinyStyle, styles: Path) -> None:  # noqa: F811
    invert(styles / "negative.onnx")  # a server has styles
    folder = styles / "trainings" / "mine"
    server = start()
    painting = tiny.painting.read_bytes()
    server.ask("POST", "trainings?name=mine", painting)
    server.wait_for(lambda each: each["step"] >= 2)
    server.ask("POST", "trainings/mine/cancel")
    cancelled = server.wait_for(lambda each: each["state"] == "stopped")
    assert cancelled["text"].startswith("It was cancelled")
    server.ask("POST", "trainings/mine/resume")
    resumed = server.wait_for(lambda each: each["step"] > cancelled["step"])
    assert resumed["step"] < 200

    server.kill()
    server = start()
    killed = server.wait_for(lambda each: each["state"] == "stopped")
    assert killed["text"] == "The server ended; the training was saved."
    assert killed["step"] >= resumed["step"]
    assert b"mine" not in server.ask("GET", "styles")

    server.ask("POST", "trainings/mine/resume")
    assert server.wait_for(lambda each: each["phase"] == "training")["step"] >= killed["step"]
    (runner,) = [number for number, command in processes_of(folder) if "training.runner" in command]
    os.kill(runner, signal.SIGKILL)  # alone: its training gets SIGTERM
    if sys.platform == "linux":
        wait_gone(folder)
    stopped = server.wait_for(lambda each: each["state"] == "stopped")
    assert stopped["text"].startswith("Its process was killed")

    server.ask("POST", "trainings/mine/resume")
    done = server.wait_for(lambda each: each["state"] == "finished")
    assert (done["step"], done["fraction"]) == (200, 1)
    assert server.ask("GET", "trainings/mine/preview").startswith(b"\x89PNG")
    assert b'"mine"' in server.ask("GET", "styles")
    painted = server.ask("POST", "stylize?style=mine&format=png", painting)
    assert painted.startswith(b"\x89PNG")
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(30) == 0
    wait_gone(folder)
