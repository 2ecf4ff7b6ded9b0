"""`python -m train --progress json`, as docs/json.md describes it."""

from __future__ import annotations

import json
import signal

import pytest
import torch

from train.run.saving import RollingCheckpoint
from train.terminal import say_once, tell, want_events


def events(err):
    return [json.loads(line) for line in err.splitlines()]


def named(err, name):
    return [event for event in events(err) if event["event"] == name]


@pytest.fixture(scope="module")
def finished(tiny, train, tmp_path_factory):
    """A run with a picture and a checkpoint at every step."""
    output = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("train.run.settle.PREVIEW_SIZE", 32)
        patch.setattr("train.report.progress._EVENT_SECONDS", 0.0)
        options = {"images": 6, "preview_seconds": 0, "checkpoint_seconds": 0, "progress": "json"}
        return output, *train(tiny.arguments(output, **options))


def test_standard_output_stays_the_path_and_every_line_of_standard_error_is_an_event(finished):
    output, code, out, err = finished
    assert (code, out) == (0, f"{output / 'tiny.ckpt'}\n")
    names = [event["event"] for event in events(err)]
    assert names[-1] == "finished"
    assert names.index("started") < names.index("progress") < names.index("saved")
    assert set(names) == {"message", "started", "progress", "preview", "saved", "finished"}


def test_started_has_the_steps_and_the_options_that_matter(finished, tiny):
    output, _, _, err = finished
    (started,) = named(err, "started")
    assert started == {
        "event": "started",
        "name": "tiny",
        "style": str(tiny.painting),
        "data": str(tiny.photos),
        "step": 0,
        "steps": 3,
        "crops_per_step": 2,
        "image_size": 32,
        "preset": "default",
        "network": "wide",
        "loss_network": "vgg16",
        "init": "none",
        "style_size": 32,
        "style_weight": 10.0,
        "device": "cpu",
        "precision": "32-true",
        "checkpoint": str(output / "tiny.ckpt"),
        "preview": str(output / "tiny.png"),
    }


def test_progress_has_the_step_the_speed_the_losses_and_the_time_left(finished):
    told = named(finished[-1], "progress")
    assert [(event["step"], event["steps"], event["image_size"]) for event in told] == [
        (1, 3, 32),
        (2, 3, 32),
        (3, 3, 32),
    ]
    for event in told:
        assert set(event) == {
            *("event", "step", "steps", "fraction", "image_size"),
            *("images_per_second", "seconds_left", "losses"),
        }
        assert set(event["losses"]) == {"content", "style"}
        assert min(event["images_per_second"], *event["losses"].values()) > 0
    assert told[0]["fraction"] == pytest.approx(1 / 3)
    assert (told[-1]["fraction"], told[-1]["seconds_left"]) == (1, 0)
    assert told[0]["seconds_left"] is None
    assert told[1]["seconds_left"] > 0


def test_previews_and_checkpoints_are_named_when_they_are_written(finished):
    output, _, _, err = finished
    assert {event["path"] for event in named(err, "saved")} == {str(output / "tiny.ckpt")}
    assert [event["step"] for event in named(err, "saved")][:2] == [1, 2]
    assert {event["path"] for event in named(err, "preview")} == {str(output / "tiny.png")}
    assert {1, 2, 3} <= {event["step"] for event in named(err, "preview")}


def test_finished_has_c_and_s3_also_for_a_style_that_was_trained_before(finished, tiny, train):
    output, _, _, err = finished
    (told,) = named(err, "finished")
    record = torch.load(output / "tiny.ckpt", weights_only=True)
    assert told["C"] > 0
    assert told["S3"] > 0
    assert {key: told[key] for key in ("name", "steps", "checkpoint", "preview")} == {
        "name": "tiny",
        "steps": record["global_step"],
        "checkpoint": str(output / "tiny.ckpt"),
        "preview": str(output / "tiny.png"),
    }
    # The option may differ between the parts of a run: the style is the same.
    code, out, people = train(tiny.arguments(output, images=6))
    assert code == 0
    assert "tiny is already trained" in people
    code, again_out, again = train(tiny.arguments(output, images=6, progress="json"))
    assert (code, again_out) == (0, out)
    assert named(again, "finished") == [told]


def test_an_interruption_names_what_the_run_goes_on_from(tiny, train, tmp_path, monkeypatch):
    original = RollingCheckpoint.on_train_batch_end

    def interrupt(self, trainer, *arguments):
        if trainer.global_step == 2:
            signal.raise_signal(signal.SIGINT)
        original(self, trainer, *arguments)

    monkeypatch.setattr(RollingCheckpoint, "on_train_batch_end", interrupt)
    code, out, err = train(tiny.arguments(tmp_path, progress="json"))
    assert (code, out) == (130, "")
    last = events(err)[-1]
    assert last == {"event": "interrupted", "checkpoint": str(tmp_path / "tiny.ckpt")}
    assert named(err, "saved")[-1]["step"] == 2


def test_a_mistake_is_one_event(tiny, train, tmp_path, capsys):
    for given in (["--progress=json"], ["--progress", "json"]):
        code, out, err = train([f"--style={tiny.painting}", "--images=no", *given])
        assert (code, out) == (2, "")
        (told,) = events(err)
        assert (told["event"], told["process"]) == ("error", 0)
        assert told["text"].startswith("--images: ")
    code, _, err = train(tiny.arguments(tmp_path, style=tmp_path / "no.jpg", progress="json"))
    assert code == 2
    assert events(err)[-1]["event"] == "error"
    assert "no.jpg" in events(err)[-1]["text"]
    config = tmp_path / "events.yaml"
    config.write_text("progress: json")
    code, _, err = train([f"--config={config}", *tiny.arguments(tmp_path, style=tmp_path / "no.jpg")])
    assert events(err.splitlines()[-1])[0]["event"] == "error"
    # People's lines are back afterwards.
    assert train([f"--style={tiny.painting}", "--images=no"])[2].startswith("train: error: --images: ")


def test_an_interruption_before_training_is_an_event(tiny, train, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("train.run.run.run", interrupted)
    code, _, err = train(tiny.arguments(tmp_path, progress="json"))
    assert code == 130
    assert events(err)[-1] == {"event": "interrupted", "checkpoint": None}


def test_numbers_that_are_not_finite_are_null_and_only_the_first_process_tells(capsys, monkeypatch):
    want_events(True)
    try:
        assert tell("progress", losses={"style": float("nan")}, seconds_left=float("inf"))
        say_once("a\x1b[0m\nb")
        monkeypatch.setenv("LOCAL_RANK", "1")
        assert tell("progress", step=1)
        tell("error", by_all=True, text="x")
    finally:
        want_events(False)
    assert not tell("progress", step=1)
    assert events(capsys.readouterr().err) == [
        {"event": "progress", "losses": {"style": None}, "seconds_left": None},
        {"event": "message", "text": r"a\x1b[0m b"},
        {"event": "error", "text": "x"},
    ]
