"""Runs in processes of their own: what a kill leaves behind, two processes together, and wandb."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.train.compare_states import assert_same_state
from tests.train.report.wandb_file import WandbRun
from train.config import TrainingConfig
from train.network.checkpoint import load_checkpoint
from train.report.tracking import log_model_artifact
from train.run.resumed_options import check_resumable

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]

TWO_PROCESSES = {"learning_rate": 1e-4, "log_every": 2}

# A run that is killed as soon as it has a checkpoint, and the same run again. Lightning is imported once for
# both, which takes longer than they do, and the pictures are small, since one is drawn at every step.
KILLED_AND_RESUMED = """
import os, shutil, signal, sys, time
from pathlib import Path
from train.cli import main
from train.run import settle, run

settle.PREVIEW_SIZE = 32
checkpoint, kept, *arguments = sys.argv[1:]
first = os.fork()
if first == 0:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os._exit(main(arguments))
while not Path(checkpoint).exists():
    assert os.waitpid(first, os.WNOHANG) == (0, 0), "it ended without a checkpoint"
    time.sleep(0.005)
os.kill(first, signal.SIGKILL)
assert os.WTERMSIG(os.waitpid(first, 0)[1]) == signal.SIGKILL
shutil.copy(checkpoint, kept)
time.sleep(1)  # wandb names its folders by the second
sys.exit(main(arguments))
"""


@pytest.fixture(scope="module", autouse=True)
def two_processes(tiny, environment, tmp_path_factory):
    """`python -m train` on two processes of the CPU, under way beside the tests, and its folder."""
    output = tmp_path_factory.mktemp("two")
    options = TWO_PROCESSES | {"devices": 2, "strategy": "ddp", "logger": "wandb"}
    with subprocess.Popen(
        [sys.executable, "-m", "train", *tiny.arguments(output, **options)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process, output
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def killed_and_resumed(tiny, environment, tmp_path_factory):
    """A run that was killed as soon as it had a checkpoint, and the same command again, to the end."""
    output = tmp_path_factory.mktemp("killed")
    # A picture and a checkpoint at every step.
    arguments = tiny.arguments(
        output, logger="wandb", checkpoint_seconds=0, preview_seconds=0, workers=1, style_author="A. N. Other"
    )
    kept = tmp_path_factory.mktemp("kept") / "tiny.ckpt"
    process = subprocess.run(
        [sys.executable, "-c", KILLED_AND_RESUMED, output / "tiny.ckpt", kept, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    left = load_checkpoint(kept)
    assert not left.record.finished
    return output, left.steps, process.stdout, process.stderr


@pytest.fixture(scope="module")
def wandb_run(killed_and_resumed):
    """What the second part of that run has recorded."""
    return WandbRun.ended_in(max(killed_and_resumed[0].glob("wandb/offline-run-*/*.wandb")))


def test_a_killed_run_goes_on_as_if_it_had_not_been(killed_and_resumed, tiny, train, tmp_path):
    output, steps, out, err = killed_and_resumed
    assert 1 <= steps < 12
    assert out == f"{output / 'tiny.ckpt'}\n"
    assert f"going on from {output / 'tiny.ckpt'} at step {steps} of 12" in err
    code, _, uninterrupted = train(tiny.arguments(tmp_path))
    assert code == 0, uninterrupted
    assert_same_state(output / "tiny.ckpt", tmp_path / "tiny.ckpt")


def test_the_terminal_shows_nothing_but_the_runs_own_lines(killed_and_resumed):
    starts = (
        *(
            "fastnst ",
            "reading the ",
            "looking for",
            "decoded photos",
            "12 photos",
            "13 photos",
            "tiny: ",
            "curves: ",
        ),
        *("going on from", "step ", "preview: ", "skipped ", "drawing", "measuring", "measured"),
        *("trained in", "C ", "checkpoint:"),
    )
    lines = killed_and_resumed[-1].splitlines()
    assert [line for line in lines if not line.startswith(starts)] == []


def test_an_offline_run_says_how_to_sync_it(killed_and_resumed):
    assert "curves: wandb is offline; log in and `wandb sync " in killed_and_resumed[-1]


def test_both_parts_are_one_run_on_the_dashboard(wandb_run, killed_and_resumed):
    files = [path.name for path in killed_and_resumed[0].glob("wandb/offline-run-*/*.wandb")]
    assert files == 2 * [f"run-{wandb_run.id}.wandb"]


def test_the_dashboard_receives_every_option(wandb_run, tiny, killed_and_resumed):
    options = TrainingConfig(**tiny.options(killed_and_resumed[0])).to_dict()
    recorded = wandb_run.config
    assert set(options) <= set(recorded)
    for name in ("width", "learning_rate", "style_layers", "content_layers", "images", "crop_scale", "seed"):
        assert recorded[name] == options[name]
    assert recorded["precision"] == "32-true"
    assert recorded["style_author"] == "A. N. Other"
    assert recorded["parameters"] > 1000
    assert len(recorded["style_sha256"]) == 64


def test_the_dashboard_receives_every_curve_at_every_step(wandb_run, killed_and_resumed):
    run, first_step = wandb_run, killed_and_resumed[1]
    losses = ["total_loss", "content_loss", "style_loss", "content_loss/relu2_2"]
    losses += ["style_loss/relu1_2", "style_loss/relu2_2"]
    others = ("learning_rate", "images_per_second", "images", "memory_gib")
    for name in (*losses, *others):
        curve = run.curve(f"train/{name}")
        assert [step for step, _ in curve] == list(range(first_step + 1, 13)), name
        assert all(value > 0 for _, value in curve[:-1]), name  # the decay ends at 0
    for name in losses:
        assert run.curve(f"val/{name}"), name
    assert run.curve("train/images")[-1] == (12, 24)


def test_the_dashboard_receives_pictures_of_the_same_photos_through_training(wandb_run, killed_and_resumed):
    pictures = wandb_run.curve("val/preview")
    assert [step for step, _ in pictures] == [*range(killed_and_resumed[1] + 1, 13), 12]
    folder = max(killed_and_resumed[0].glob("wandb/offline-run-*"))
    for _, picture in pictures:
        assert picture["_type"] == "images/separated"
        for name in picture["filenames"]:
            assert (folder / "files" / name).stat().st_size > 0


def test_the_dashboard_receives_the_quality(wandb_run, killed_and_resumed):
    quality = load_checkpoint(killed_and_resumed[0] / "tiny.ckpt").record.quality
    assert wandb_run.curve("quality/content") == [(12, pytest.approx(quality.content))]
    assert wandb_run.curve("quality/style") == [(12, pytest.approx(quality.style))]
    assert wandb_run.curve("quality/style/relu4_1")


def test_the_exported_model_becomes_an_artifact_of_the_run_that_trained_it(
    killed_and_resumed, wandb_run, tmp_path, caplog
):
    record = load_checkpoint(killed_and_resumed[0] / "tiny.ckpt").record
    model = tmp_path / "tiny.onnx"
    model.write_bytes(b"a model")
    log_model_artifact(record.tracking_run, killed_and_resumed[0], model)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    added = WandbRun.ended_in(max(killed_and_resumed[0].glob("wandb/offline-run-*/*.wandb")))
    assert added.id == wandb_run.id
    (artifact,) = added.artifacts
    assert (artifact.name, artifact.type) == ("style-tiny", "model")
    assert [entry.path for entry in artifact.manifest.contents] == ["tiny.onnx"]


def test_two_processes_train_like_one_with_twice_the_batch(two_processes, tiny, train, tmp_path):
    code, _, err = train(tiny.arguments(tmp_path, batch_size=4, **TWO_PROCESSES))
    assert code == 0, err
    process, output = two_processes
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert out == f"{output / 'tiny.ckpt'}\n"
    for line in (
        *("loading PyTorch", "24 crops of 32 px, 4 a step", "curves: ", "decoded photos are kept"),
        *("step 6/6", "trained in"),
    ):
        assert err.count(line) == 1, (line, err)
    two, one = load_checkpoint(output / "tiny.ckpt"), load_checkpoint(tmp_path / "tiny.ckpt")
    assert (two.steps, two.record.world_size, two.record.finished) == (6, 2, True)
    ours, theirs = (
        torch.cat([value.flatten() for value in checkpoint.state["state_dict"].values()])
        for checkpoint in (two, one)
    )
    assert torch.isfinite(ours).all()
    # Adam turns rounding errors in gradients near 0 into whole steps, so that a few weights differ more.
    moved = TWO_PROCESSES["learning_rate"] * 6
    assert (ours - theirs).square().mean().sqrt() < 0.01 * moved


def test_a_run_goes_on_with_as_many_devices_as_it_began_with(two_processes, tiny, train):
    process, output = two_processes
    process.communicate()
    checkpoint = torch.load(output / "tiny.ckpt", weights_only=True)
    checkpoint["fastnst"]["finished"] = False
    checkpoint["fastnst"]["options"]["devices"] = "auto"
    torch.save(checkpoint, output / "tiny.ckpt")
    code, _, err = train(tiny.arguments(output, **TWO_PROCESSES))
    assert code == 2
    assert "was started on 2 devices and there are now 1: give --devices 2" in err.splitlines()[-1]
    check_resumable(
        TrainingConfig(**tiny.options(output, **TWO_PROCESSES, devices=2)), checkpoint["fastnst"]["options"]
    )
