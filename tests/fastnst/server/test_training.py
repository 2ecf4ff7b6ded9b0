"""The API of trainings, with a stand-in for `python -m train`."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst.server.training import environment
from fastnst.server.training.record import FINISHED, STOPPED, Order, Progress, TrainingFolder
from tests.fastnst.make_images import encoded
from tests.fastnst.server.conftest import DARK, form
from tests.fastnst.server.training_folder import (
    PAINTING,
    TRAININGS,
    ServeTraining,
    StandIn,
    ask,
    serve_training,  # noqa: F401
    stand_in,  # noqa: F401
    told,
    wait_for,
)
from tests.fastnst.tiny_models import invert


def test_a_style_is_trained_shown_and_used(serve_training: ServeTraining, stand_in: StandIn) -> None:  # noqa: F811
    stand_in.behave(waits_at=4)
    server = serve_training()
    assert told(ask(server, "GET"))["trainings"] == []
    body, headers = form(("painting", PAINTING), ("name", "my_style"), ("quality", "good"))
    begun = ask(server, "POST", "", body, Content_Type=headers["Content-Type"])
    assert begun.status == 201
    assert (told(begun)["name"], told(begun)["state"], told(begun)["quality"]) == (
        "my_style",
        "running",
        "good",
    )
    running = wait_for(server, "my_style", lambda each: each["step"] == 4)
    assert running["phase"] == "training"
    assert running["steps"] == 10
    assert running["seconds_left"] == 180
    assert running["losses"] == {"content": 0.46, "style": 0.1}
    assert [point["fraction"] for point in running["curve"]] == [0.1, 0.2, 0.3, 0.4]
    assert running["curve"][0]["style"] == 0.4
    wait_for(server, "my_style", lambda each: each["preview"] == {"step": 4, "photos": 4})
    with Image.open(io.BytesIO(ask(server, "GET", "/my_style/preview").data)) as picture:
        assert picture.getpixel((9, 9)) == (100, 90, 120)
    with Image.open(io.BytesIO(ask(server, "GET", "/my_style/painting").data)) as painting:
        assert painting.size == (40, 50)
    (listed,) = told(ask(server, "GET"))["trainings"]
    assert "curve" not in listed

    assert b"my_style" not in server.get("/api/v1/styles").data
    stand_in.behave()
    done = wait_for(server, "my_style", lambda each: each["state"] == "finished")
    assert (done["fraction"], done["seconds"], done["text"]) == (1, 123, None)
    assert [style["name"] for style in json.loads(server.get("/api/v1/styles").data)] == ["my_style"]
    assert [style["key"] for style in json.loads(server.get("/site.json").data)["styles"]] == ["my_style"]
    painted = server.paint("style=my_style&format=png", DARK)
    with Image.open(io.BytesIO(painted.data)) as picture:
        assert np.asarray(picture).min() == 255
    # What it took is what the next one will take.
    good = told(ask(server, "GET"))["qualities"][1]
    assert good == {"name": "good", "minutes": 2, "is_measured": True}
    assert ask(server, "POST", "/my_style/resume").error == "my_style is trained already"
    assert ask(server, "DELETE", "/my_style").status == 204
    assert ask(server, "GET", "/my_style").status == 404
    assert b"my_style" in server.get("/api/v1/styles").data


def test_one_at_a_time_also_of_two_servers(serve_training: ServeTraining, stand_in: StandIn) -> None:  # noqa: F811
    stand_in.behave(waits_at=2)
    server, other = serve_training(), serve_training()
    assert ask(server, "POST", "?name=one", PAINTING).status == 201
    for each in (server, other):
        refused = ask(each, "POST", "?name=two", PAINTING)
        assert refused.status == 409
        assert refused.error == "one is being trained: one at a time; wait for it or cancel it"
        assert ask(each, "POST", "/one/resume").status == 409
        assert ask(each, "DELETE", "/one").error == "one is being trained: cancel it first"
    wait_for(other, "one", lambda each: each["step"] == 2)
    # Whoever started it.
    told(ask(other, "POST", "/one/cancel"))
    stopped = wait_for(other, "one", lambda each: each["state"] == "stopped")
    assert stopped["text"] == "It was cancelled; what it has learned is kept."
    assert (stopped["step"], stopped["seconds_left"]) == (2, None)
    assert ask(other, "POST", "/one/cancel").error == "one is not being trained"
    stand_in.behave()
    assert told(ask(other, "POST", "/one/resume"))["state"] == "running"
    done = wait_for(server, "one", lambda each: each["state"] == "finished")
    # It went on, and did not begin again.
    assert [round(10 * point["fraction"]) for point in done["curve"]] == list(range(1, 11))


def test_the_end_of_the_server_saves_the_training_for_the_next_one(
    serve_training: ServeTraining,  # noqa: F811
    stand_in: StandIn,  # noqa: F811
    styles: Path,
) -> None:
    stand_in.behave(waits_at=3)
    server = serve_training()
    ask(server, "POST", "?name=one", PAINTING)
    wait_for(server, "one", lambda each: each["step"] == 3)
    server.stop()
    assert (styles / "trainings" / "one" / "one.ckpt").read_text() == "3"
    next_one = serve_training()
    (found,) = told(ask(next_one, "GET"))["trainings"]
    assert (found["state"], found["step"]) == ("stopped", 3)
    assert found["text"] == "The server ended; the training was saved."
    stand_in.behave()
    told(ask(next_one, "POST", "/one/resume"))
    wait_for(next_one, "one", lambda each: each["state"] == "finished")


def test_a_training_whose_processes_were_killed_is_offered_again(
    serve_training: ServeTraining,  # noqa: F811
    stand_in: StandIn,  # noqa: F811
) -> None:
    stand_in.behave(waits_at=3)
    server = serve_training()
    ask(server, "POST", "?name=one", PAINTING)
    wait_for(server, "one", lambda each: each["step"] == 3)
    trainings = server.application.trainings
    assert trainings is not None
    runner = trainings._runner
    assert runner is not None
    os.killpg(runner.pid, signal.SIGKILL)
    killed = wait_for(server, "one", lambda each: each["state"] == "stopped")
    assert killed["text"].startswith("Its process was killed")
    stand_in.behave()
    told(ask(server, "POST", "/one/resume"))
    wait_for(server, "one", lambda each: each["state"] == "finished")


def test_what_fails_is_said_in_one_line_and_can_be_tried_again(
    serve_training: ServeTraining,  # noqa: F811
    stand_in: StandIn,  # noqa: F811
    styles: Path,
) -> None:
    server = serve_training()
    stand_in.behave(error="there are no photos in nowhere")
    ask(server, "POST", "?name=one", PAINTING)
    failed = wait_for(server, "one", lambda each: each["state"] == "failed")
    assert failed["text"] == "there are no photos in nowhere"
    stand_in.behave(breaks=True)
    told(ask(server, "POST", "/one/resume"))
    failed = wait_for(
        server, "one", lambda each: each["state"] == "failed" and "broke" in (each["text"] or "")
    )
    assert failed["text"] == "RuntimeError: it broke"
    assert "a library says something" in (styles / "trainings" / "one" / "log.txt").read_text()
    # A style of the same name that came meanwhile is not replaced.
    invert(styles / "one.onnx")
    before = (styles / "one.onnx").read_bytes()
    stand_in.behave()
    told(ask(server, "POST", "/one/resume"))
    failed = wait_for(server, "one", lambda each: each["state"] == "failed" and "Another" in each["text"])
    assert failed["text"].startswith("Another style has come under the name one")
    assert (styles / "one.onnx").read_bytes() == before


@pytest.mark.parametrize(
    "name", ["", "..", "../x", "a/b", "a b", ".hidden", "-x", "x.onnx", "a:1", "a" * 61, "a\n"]
)
def test_names_that_are_refused(serve_training: ServeTraining, name: str, styles: Path) -> None:  # noqa: F811
    server = serve_training()
    body, headers = form(("painting", PAINTING), ("name", name))
    refused = ask(server, "POST", "", body, Content_Type=headers["Content-Type"])
    assert refused.status == (422 if name else 400)
    assert not (styles / "trainings").exists()
    assert ask(server, "GET", f"/{name.strip() or 'x'}".replace(" ", "%20")).status in (404, 405)


def test_what_else_is_refused(serve_training: ServeTraining, stand_in: StandIn, styles: Path) -> None:  # noqa: F811
    invert(styles / "Wave.onnx")
    server = serve_training()
    for status, query, body, words in (
        (409, "?name=wave", PAINTING, "a style is called wave already"),
        (400, "?name=x&nmae=y", PAINTING, "there is no parameter 'nmae'"),
        (400, "?name=x&name=y", PAINTING, "comes twice"),
        (400, "?name=x", b"", "send one painting"),
        (400, "", PAINTING, "give the new style a name"),
        (422, "?name=x&quality=best", PAINTING, "quality must be quick or good"),
        (422, "?name=x", b"no image", "the painting"),
        (422, "?name=x", encoded(np.zeros((9, 9, 4), np.uint8)), "fully transparent"),
        (413, "?name=x", encoded(np.zeros((400, 400, 3), np.uint8)), "160,000"),
        (413, "?name=x", bytes(1_000_001), "1,000,000 bytes"),
    ):
        refused = ask(server, "POST", query, body)
        assert refused.status == status, (query, refused.data)
        assert words in refused.error
    assert ask(server, "POST", "/x/preview").status == 405
    assert ask(server, "PUT").headers["allow"] == "GET, POST"
    assert ask(server, "POST", "/nothing/cancel").status == 404
    assert told(ask(server, "GET"))["trainings"] == []
    stand_in.behave(waits_at=1)
    ask(server, "POST", "?name=x", PAINTING)
    told(ask(server, "POST", "/x/cancel"))
    wait_for(server, "x", lambda each: each["state"] == "stopped")
    assert ask(server, "POST", "?name=X", PAINTING).error.startswith("a training is called X already")
    assert ask(server, "GET", "/x/preview").status in (200, 404)


def test_who_may_train(serve_training: ServeTraining) -> None:  # noqa: F811
    server = serve_training()
    for headers in (
        {"Origin": "http://evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Host": "evil.example"},
        {"X_Forwarded_For": "203.0.113.9"},
        {"Via": "1.1 nginx"},
    ):
        assert ask(server, "POST", "?name=x", PAINTING, **headers).status == 403, headers
    assert ask(server, "GET", "", None, Forwarded="for=203.0.113.9").status == 403
    with_token = serve_training(token="a long token")
    assert ask(with_token, "GET").status == 401
    bearer = {"Authorization": "Bearer a long token"}
    assert ask(with_token, "GET", "", None, X_Forwarded_For="203.0.113.9", **bearer).status == 200


def test_without_the_training_environment_one_line_says_what_to_install(
    serve_training: ServeTraining,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    find = environment.importlib.util.find_spec
    monkeypatch.setattr(
        environment.importlib.util, "find_spec", lambda name: None if name == "lightning" else find(name)
    )
    server = serve_training()
    line = "Training needs lightning: `make serve` in the checkout installs all of it."
    assert told(ask(server, "GET"))["missing"] == line
    refused = ask(server, "POST", "?name=x", PAINTING)
    assert (refused.status, refused.error) == (501, line)
    # Any folder may be called train.
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda _: None)
    missing = environment.missing()
    assert missing is not None
    assert missing.startswith("Training is not installed here")


def test_the_time_is_that_of_the_newest_training_of_its_quality(
    serve_training: ServeTraining,  # noqa: F811
    styles: Path,
) -> None:
    for number, (name, seconds) in enumerate({"old": 600.0, "new": 1200.0, "stopped": None}.items()):
        folder = TrainingFolder(styles / "trainings" / name)
        folder.path.mkdir(parents=True)
        folder.write_order(Order(name, "quick", "painting.png", "0", (), 1e9 + number))
        folder.write_progress(Progress(FINISHED if seconds else STOPPED, None, seconds=seconds))
    told_of = told(ask(serve_training(), "GET"))
    assert [each["name"] for each in told_of["trainings"]] == ["stopped", "new", "old"]
    assert told_of["qualities"][0] == {"name": "quick", "minutes": 20, "is_measured": True}
    assert told_of["qualities"][1]["is_measured"] is False


def test_a_full_disk_is_said_and_leaves_nothing(
    serve_training: ServeTraining,  # noqa: F811
    styles: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(TrainingFolder, "write_order", full)
    server = serve_training()
    refused = ask(server, "POST", "?name=x", PAINTING)
    assert (refused.status, refused.error) == (500, "the training cannot be written: No space left on device")
    assert [path.name for path in (styles / "trainings").iterdir()] == [".running.lock"]


def test_the_commands_of_the_document(
    serve_training: ServeTraining,  # noqa: F811
    stand_in: StandIn,  # noqa: F811
    tmp_path: Path,
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    document = (Path(__file__).parents[3] / "docs" / "serving.md").read_text(encoding="utf-8")
    begin, look, cancel = re.findall(r"^curl .*/trainings.*$", document, re.MULTILINE)
    (tmp_path / "painting.jpg").write_bytes(PAINTING)
    stand_in.behave(waits_at=2)
    server = serve_training()
    for command, state in ((begin, "running"), (look, "running"), (cancel, "running stopped")):
        here = command.partition("  #")[0].replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
        printed = subprocess.run(
            ["bash", "-c", f"{here} --silent"], cwd=tmp_path, capture_output=True, check=True
        )
        training = json.loads(printed.stdout)
        assert training["name"] == "my_style"
        assert training["state"] in state
        if command != cancel:
            wait_for(server, "my_style", lambda each: each["step"] == 2)
    wait_for(server, "my_style", lambda each: each["state"] == "stopped")


def test_half_written_files_are_no_trainings(serve_training: ServeTraining, styles: Path) -> None:  # noqa: F811
    (styles / "trainings" / "broken").mkdir(parents=True)
    (styles / "trainings" / "broken" / "training.json").write_text('{"name": "broken"')
    (styles / "trainings" / ".new-x" / "one").mkdir(parents=True)
    (styles / "trainings" / "file").write_text("")
    server = serve_training()
    assert told(ask(server, "GET"))["trainings"] == []
    assert TrainingFolder(styles / "trainings" / "broken").read_progress().state == "stopped"


def test_openapi_and_the_page_know_of_training_only_where_it_is_allowed(
    serve_training: ServeTraining,  # noqa: F811
    serve: object,
) -> None:
    server = serve_training()
    document = json.loads(server.get("/openapi.json").data)
    assert {TRAININGS, f"{TRAININGS}/{{name}}/resume"} <= set(document["paths"])
    assert json.loads(server.get("/site.json").data)["server"]["trainings"] == "api/v1/trainings"
    without = serve()
    assert TRAININGS not in json.loads(without.get("/openapi.json").data)["paths"]
    assert "trainings" not in json.loads(without.get("/site.json").data)["server"]
    assert without.get(TRAININGS).status == 404
    assert without.ask("POST", f"{TRAININGS}?name=x", PAINTING).status == 405


def test_the_curve_stays_short(serve_training: ServeTraining) -> None:  # noqa: F811
    progress = Progress()
    for step in range(1, 5001):
        event = dict.fromkeys(("image_size", "images_per_second", "seconds_left"), 1)
        losses = {"content": 0.5, "style": 1 / step}
        progress.take(
            {
                "event": "progress",
                "step": step,
                "steps": 5000,
                "fraction": step / 5000,
                "losses": losses,
                **event,
            }
        )
        assert len(progress.curve) < 240
    assert progress.curve[0][0] == 1 / 5000
    assert progress.curve[-1][0] == 1
    assert progress.curve == sorted(progress.curve, key=lambda point: point[0])
    progress.take({"event": "of a later version"})
