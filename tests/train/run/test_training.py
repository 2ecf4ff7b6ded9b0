"""Whole runs, in this process."""

import csv
import hashlib
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import time
from unittest.mock import Mock

import onnx
import pytest
import torch
from huggingface_hub import HfApi
from PIL import Image

from export.metadata import describe_style
from fastnst import style_library
from tests.train.compare_states import assert_same_state
from tests.train.make_photos import make_jpeg, write_shards
from train.config import TrainingConfig
from train.loss import choice as loss_network_choice
from train.loss.choice import make_loss
from train.loss.painting import load_painting
from train.loss.vgg import DownloadError, VGGFeatures, load_vgg_state
from train.machine import stop_signal
from train.network.build import build_network
from train.network.checkpoint import load_checkpoint
from train.network.shape import NetworkShape
from train.photos.batches import Crops
from train.step.style_transfer import StyleTransfer

pytestmark = pytest.mark.slow


@pytest.fixture
def interrupt_in_step(monkeypatch):
    """Have signals sent in the middle of a step; the step counts from 1."""
    original = StyleTransfer.training_step
    signals_in = {}

    def training_step(self, *arguments):
        loss = original(self, *arguments)
        for number in signals_in.pop(self.trainer.global_step + 1, []):
            os.kill(os.getpid(), number)
        return loss

    monkeypatch.setattr(StyleTransfer, "training_step", training_step)
    return lambda step, *numbers: signals_in.update({step: numbers})


@pytest.fixture(scope="module")
def finished(tiny, train, tmp_path_factory):
    """A run from the start to the end: its output folder, exit code, standard output and error."""
    output = tmp_path_factory.mktemp("finished")
    return output, *train(tiny.arguments(output))


def test_a_run_leaves_a_checkpoint_and_a_preview_and_prints_the_path(finished):
    output, code, out, err = finished
    assert code == 0, err
    assert out == f"{output / 'tiny.ckpt'}\n"
    assert sorted(path.name for path in output.iterdir()) == ["tiny.ckpt", "tiny.png"]
    with Image.open(output / "tiny.png") as preview:
        assert preview.mode == "RGB"
    assert "Traceback" not in err


def test_a_run_tells_what_it_does_and_how_it_ended(finished):
    output, _, _, err = finished
    record = load_checkpoint(output / "tiny.ckpt").record
    assert "loading PyTorch" in err.splitlines()[0]
    assert "tiny: 24 crops of 32 px, 2 a step, preset default, vgg16, cpu" in err
    assert "curves: not kept" in err
    assert "step 12/12: " in err
    assert f"content {record.losses['val/content_loss']:.3f}" in err
    assert f"C {record.quality.content:.3f} (content lost)" in err
    assert f"S3 {record.quality.style:.4f} (style missed) at 32 px" in err
    assert f"preview: {output / 'tiny.png'}" in err


def test_a_checkpoint_holds_the_style_and_not_the_loss_network(finished, tiny):
    output = finished[0]
    path = output / "tiny.ckpt"
    checkpoint = load_checkpoint(path)
    assert path.stat().st_size < 500_000 < tiny.vgg16.stat().st_size
    assert all(name.startswith("network.") for name in checkpoint.state["state_dict"])
    assert (checkpoint.steps, checkpoint.record.finished) == (12, True)
    assert checkpoint.record.max_steps == 12
    assert checkpoint.record.seconds > 0
    assert checkpoint.record.options["width"] == 4
    assert checkpoint.record.style.name == "tiny"
    assert checkpoint.network()(torch.rand(1, 3, 9, 7)).shape == (1, 3, 9, 7)
    assert {"train/style_loss", "val/style_loss", "val/content_loss/relu2_2"} <= set(checkpoint.record.losses)


def test_a_run_minimises_its_loss(tiny, finished):
    features = VGGFeatures("vgg16", ["relu1_2", "relu2_2"], load_vgg_state("vgg16", tiny.vgg16))
    config = TrainingConfig(**tiny.options(finished[0]))
    torch.manual_seed(config.seed)
    painting = load_painting(tiny.painting, 32)
    module = StyleTransfer(config, painting, make_loss(config, painting, features), 12, "32-true")
    photos = torch.rand(2, 3, 32, 32)
    before = module.compare(photos).total.item()
    module.network = load_checkpoint(finished[0] / "tiny.ckpt").network()
    assert module.compare(photos).total.item() < before


def test_a_corrupt_photo_is_named_once_and_skipped(finished, tiny):
    err = finished[-1]
    assert err.count("corrupt.jpg") == 1
    assert f"skipped {tiny.photos / 'corrupt.jpg'}: not readable (1 so far)" in err


def test_a_finished_style_is_not_trained_again(finished, tiny, train):
    output = finished[0]
    before = (output / "tiny.ckpt").read_bytes()
    code, out, err = train(tiny.arguments(output))
    assert (code, out) == (0, f"{output / 'tiny.ckpt'}\n")
    assert "already trained" in err
    assert "FRESH=1 (--fresh)" in err
    assert (output / "tiny.ckpt").read_bytes() == before


def test_a_run_killed_while_measuring_goes_on_with_the_measuring(tiny, train, tmp_path, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("train.run.finish.measure_and_tell", killed)
        code, out, _ = train(tiny.arguments(tmp_path))
    assert (code, out) == (130, "")
    trained = load_checkpoint(tmp_path / "tiny.ckpt")
    assert (trained.steps, trained.record.finished) == (12, False)
    (tmp_path / ".tiny.abcd_123.partial.ckpt").touch()
    code, out, err = train(tiny.arguments(tmp_path))
    assert code == 0, err
    measured = load_checkpoint(tmp_path / "tiny.ckpt")
    assert (measured.steps, measured.record.finished) == (12, True)
    assert measured.record.quality.photos == 2
    for name, weights in measured.state["state_dict"].items():
        assert torch.equal(weights, trained.state["state_dict"][name])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.ckpt", "tiny.png"]


def test_another_painting_does_not_replace_a_style(finished, tiny, train):
    before = (finished[0] / "tiny.ckpt").read_bytes()
    code, out, err = train(tiny.arguments(finished[0], style=tiny.other_painting))
    assert (code, out) == (2, "")
    assert "is the style of another painting: give this one another NAME" in err.splitlines()[-1]
    assert (finished[0] / "tiny.ckpt").read_bytes() == before


def test_a_fresh_run_replaces_a_style_and_the_same_seed_gives_the_same_weights(
    finished, tiny, train, tmp_path
):
    path = tmp_path / "tiny.ckpt"
    path.write_bytes((finished[0] / "tiny.ckpt").read_bytes())
    before = path.stat().st_ino
    code, _, err = train(tiny.arguments(tmp_path, fresh="true", workers=1))
    assert code == 0, err
    assert path.stat().st_ino != before
    assert_same_state(path, finished[0] / "tiny.ckpt")


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(finished, tiny, train, tmp_path, interrupt_in_step):
    interrupt_in_step(5, signal.SIGINT)
    handler = signal.getsignal(signal.SIGINT)
    code, out, err = train(tiny.arguments(tmp_path, logger="csv"))
    assert signal.getsignal(signal.SIGINT) is handler
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == (
        f"interrupted: {tmp_path / 'tiny.ckpt'} is saved; the same command goes on from there"
    )
    stopped = load_checkpoint(tmp_path / "tiny.ckpt")
    assert (stopped.steps, stopped.record.finished) == (5, False)

    code, out, err = train(tiny.arguments(tmp_path, style_weight=3))
    assert (code, out) == (2, "")
    assert "style_weight was 10.0 and is now 3.0" in err.splitlines()[-1]

    # Batches that workers make ahead of training must not be lost, nor come twice. Nor does it matter whether
    # decoded photos are kept.
    code, _, err = train(tiny.arguments(tmp_path, logger="csv", workers=1, cache_gb=0))
    assert code == 0, err
    assert "at step 5 of 12" in err
    assert_same_state(tmp_path / "tiny.ckpt", finished[0] / "tiny.ckpt")
    assert err.count("corrupt.jpg") <= 1

    with (tmp_path / "csv" / "tiny" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows if row["train/style_loss"]] == list(range(1, 13))
    assert [row["quality/style"] for row in rows if row["quality/style"]]


@pytest.fixture
def bundled(tmp_path, monkeypatch):
    """Two bundled styles, kandinsky and wave, with networks of the tiny run's size; their folder."""
    folder = tmp_path / "bundled"
    folder.mkdir()
    for seed, name in enumerate(("kandinsky", "wave"), start=1):  # 0 is the run's own
        torch.manual_seed(seed)
        network = build_network(NetworkShape(4, 1, 5, 1))
        tensors = [
            onnx.numpy_helper.from_array(value.numpy(), f"network.{weight}")
            for weight, value in network.state_dict().items()
        ]
        model = onnx.helper.make_model(onnx.helper.make_graph([], "weights", [], [], tensors))
        says = {"fastnst.format": "1", "network.width": "4", "network.residual_blocks": "1"}
        says |= {"network.outer_kernel_size": "5", "network.wide_blocks": "1"}
        onnx.helper.set_model_props(model, says)
        onnx.save(model, folder / f"{name}.onnx")
    monkeypatch.setattr(style_library, "style_folders", lambda: [("checkout", folder)])
    return folder


def test_a_run_starts_from_another_style_and_says_so(bundled, finished, tiny, train, tmp_path):
    source = finished[0] / "tiny.ckpt"
    # Steps too small to be seen.
    options = {"images": 2, "learning_rate": 1e-30}
    code, _, err = train(tiny.arguments(tmp_path / "ckpt", init=source, **options))
    assert code == 0, err
    assert f"starting from {source}" in err.splitlines()
    started = load_checkpoint(tmp_path / "ckpt" / "tiny.ckpt")
    for name, value in load_checkpoint(source).state["state_dict"].items():
        assert torch.equal(started.state["state_dict"][name], value)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert started.record.init == {"name": "tiny.ckpt", "sha256": digest}
    assert started.record.options["init"] == str(source)

    code, _, err = train(tiny.arguments(tmp_path / "name", init="wave", **options))
    assert code == 0, err
    named = load_checkpoint(tmp_path / "name" / "tiny.ckpt")
    assert (named.record.options["init"], named.record.init["name"]) == ("wave", "wave")
    kernel = named.network().to_rgb.weight
    torch.manual_seed(2)
    assert torch.equal(kernel, build_network(NetworkShape(4, 1, 5, 1)).to_rgb.weight)


def test_a_run_from_random_weights_records_that(finished):
    checkpoint = load_checkpoint(finished[0] / "tiny.ckpt")
    assert (checkpoint.record.options["init"], checkpoint.record.init) == ("none", {})


def test_a_resumed_run_does_not_choose_its_start_again(
    bundled, tiny, train, tmp_path, interrupt_in_step, monkeypatch
):
    code, _, err = train(tiny.arguments(tmp_path / "whole", init="auto"))
    assert code == 0, err
    interrupt_in_step(5, signal.SIGINT)
    assert train(tiny.arguments(tmp_path / "parts", init="auto"))[0] == 130
    stopped = load_checkpoint(tmp_path / "parts" / "tiny.ckpt")
    chosen = stopped.record.options["init"]
    assert f"starting from the bundled style {chosen} (--init none starts from nothing)" in err
    (other,) = {"kandinsky", "wave"} - {chosen}
    assert stopped.record.init["name"] == chosen

    # Whatever is there by now, the run has its weights.
    shutil.rmtree(bundled)
    for init in (other, "none"):
        code, _, err = train(tiny.arguments(tmp_path / "parts", init=init))
        assert code == 2
        assert f"init was {chosen} and is now {init}" in err.splitlines()[-1]
    monkeypatch.setattr("train.run.settle.choose_start", lambda *_: pytest.fail("it has its weights"))
    code, _, err = train(tiny.arguments(tmp_path / "parts", init="auto"))
    assert code == 0, err
    assert "starting from" not in err
    assert_same_state(tmp_path / "parts" / "tiny.ckpt", tmp_path / "whole" / "tiny.ckpt")
    resumed = load_checkpoint(tmp_path / "parts" / "tiny.ckpt")
    assert resumed.record.options["init"] == chosen
    assert resumed.record.init == stopped.record.init


def test_a_painting_that_is_read_in_other_colours_is_said(tiny, train, tmp_path, interrupt_in_step):
    interrupt_in_step(5, signal.SIGINT)
    assert train(tiny.arguments(tmp_path))[0] == 130
    path = tmp_path / "tiny.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["fastnst"]["style"]["pixels_sha256"] = "0" * 64
    torch.save(checkpoint, path)
    interrupt_in_step(7, signal.SIGINT)
    code, _, err = train(tiny.arguments(tmp_path))
    assert code == 130, err
    assert err.count("is read in other colours than when this run began") == 1
    code, _, err = train(tiny.arguments(tmp_path))
    assert code == 0, err
    assert "other colours" not in err


def test_a_checkpoint_from_before_there_was_init_goes_on(tiny, train, tmp_path, interrupt_in_step):
    interrupt_in_step(5, signal.SIGINT)
    assert train(tiny.arguments(tmp_path))[0] == 130
    state = torch.load(tmp_path / "tiny.ckpt", weights_only=True)
    del state["fastnst"]["init"], state["fastnst"]["options"]["init"], state["fastnst"]["options"]["strength"]
    torch.save(state, tmp_path / "tiny.ckpt")
    code, _, err = train(tiny.arguments(tmp_path, init="auto", strength=5))
    assert code == 0, err
    assert "at step 5 of 12" in err
    resumed = load_checkpoint(tmp_path / "tiny.ckpt")
    assert (resumed.record.options["init"], resumed.record.init) == ("none", {})
    assert (resumed.record.options["style_weight"], resumed.record.options["strength"]) == (10.0, 5)


def test_sigterm_saves_too(tiny, train, tmp_path, interrupt_in_step):
    interrupt_in_step(3, signal.SIGTERM)
    assert train(tiny.arguments(tmp_path))[0] == 130
    assert load_checkpoint(tmp_path / "tiny.ckpt").steps == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_processes_that_decode_too_saves_the_last_step(
    tiny, train, tmp_path, monkeypatch, number
):
    """As Slurm and systemd send it; those that decode get it first."""
    step = StyleTransfer.training_step

    def signal_all(module, *arguments):
        result = step(module, *arguments)
        if module.global_step == 2:
            decoding = multiprocessing.active_children()
            assert len(decoding) == 2
            pids = [str(child.pid) for child in decoding]
            subprocess.run(["kill", f"-{int(number)}", *pids], check=True)
            time.sleep(0.5)
            assert all(child.is_alive() for child in decoding)
            os.kill(os.getpid(), number)
        return result

    monkeypatch.setattr(StyleTransfer, "training_step", signal_all)
    code, _, err = train(tiny.arguments(tmp_path, workers=2, checkpoint_seconds=60))
    assert code == 130, err
    assert load_checkpoint(tmp_path / "tiny.ckpt").steps == 3
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, 0), (signal.SIGTERM, 1)])
def test_a_signal_ends_the_wait_for_photos(finished, tiny, train, tmp_path, monkeypatch, number, workers):
    """Decoding hangs, as reading from a server does that no longer answers."""
    decode, trainer, decoded = Crops.decode, os.getpid(), []

    def hang(crops, photo):
        decoded.append(photo)
        if len(decoded) == 12:
            time.sleep(0.3)  # until training waits for this photo
            os.kill(trainer, number)
            time.sleep(200)
        return decode(crops, photo)

    with monkeypatch.context() as patch:
        patch.setattr(Crops, "decode", hang)
        code, out, err = train(tiny.arguments(tmp_path, workers=workers, cache_gb=0))
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == (
        f"interrupted: {tmp_path / 'tiny.ckpt'} is saved; the same command goes on from there"
    )
    assert 1 <= load_checkpoint(tmp_path / "tiny.ckpt").steps <= 5
    code, _, err = train(tiny.arguments(tmp_path))
    assert code == 0, err
    assert_same_state(tmp_path / "tiny.ckpt", finished[0] / "tiny.ckpt")


def test_a_second_interrupt_does_not_wait(tiny, train, tmp_path, interrupt_in_step, monkeypatch):
    monkeypatch.setattr(stop_signal, "_ONE_SIGNAL_SECONDS", -1)  # as if it came later
    interrupt_in_step(3, signal.SIGINT, signal.SIGINT)
    handler = signal.getsignal(signal.SIGINT)
    try:
        code, out, err = train(tiny.arguments(tmp_path))
    finally:
        signal.signal(signal.SIGINT, handler)  # Lightning leaves it ignored
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == "train: interrupted"
    assert not (tmp_path / "tiny.ckpt").exists()


def test_a_run_that_began_with_the_compact_network_goes_on_with_it(
    tiny, train, tmp_path, interrupt_in_step, monkeypatch
):
    without_weights = [
        option for option in tiny.arguments(tmp_path) if not option.startswith("--loss-network-weights")
    ]
    offline = DownloadError("vgg16", "https://example.org/vgg.pth", OSError("no network"))
    monkeypatch.setenv("FASTNST_LOSS_NETWORK", "")  # which the run sets, so that it is undone
    with monkeypatch.context() as patch:
        patch.setattr(loss_network_choice, "load_vgg_state", Mock(side_effect=offline))
        interrupt_in_step(3, signal.SIGINT)
        code, _, err = train(without_weights)
        assert code == 130, err
    assert "(no network): this run uses compact" in err
    assert ", compact, cpu" in err
    # Now it could be downloaded.
    patched = Mock(side_effect=AssertionError("VGG-16 is loaded"))
    monkeypatch.setattr(loss_network_choice, "load_vgg_state", patched)
    code, _, err = train([*without_weights, "--loss-network=vgg16"])
    assert code == 2
    assert "loss_network was compact and is now vgg16" in err
    code, _, err = train(without_weights)
    assert code == 0, err
    options = load_checkpoint(tmp_path / "tiny.ckpt").record.options
    assert (options["loss_network"], options["loss_network_weights"]) == ("compact", None)


def test_a_diverging_run_stops_and_keeps_its_last_good_checkpoint(tiny, train, tmp_path):
    code, out, err = train(tiny.arguments(tmp_path, learning_rate=1e30, checkpoint_seconds=0))
    assert (code, out) == (2, "")
    line = err.splitlines()[-1]
    assert line.startswith("train: error: the loss is not finite at step 2")
    assert f"the last good checkpoint is {tmp_path / 'tiny.ckpt'}" in line
    checkpoint = load_checkpoint(tmp_path / "tiny.ckpt")
    assert checkpoint.steps == 1
    assert all(torch.isfinite(value).all() for value in checkpoint.state["state_dict"].values())


def test_a_run_that_never_had_a_finite_loss_says_so(tiny, train, tmp_path):
    code, _, err = train(tiny.arguments(tmp_path, style_weight=3e38, content_weight=3e38))
    assert code == 2
    assert "not finite at step 1; no checkpoint of this run had been written" in err.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_a_finite_loss_that_led_to_weights_that_are_not_is_no_good_state(tiny, train, tmp_path, monkeypatch):
    original = StyleTransfer.on_train_batch_start

    def spoil(self, batch, index):
        if self.trainer.global_step == 4:
            self.trainer.optimizers[0].register_step_post_hook(
                lambda *_: self.network.to_rgb.bias.data.fill_(float("nan"))
            )
        return original(self, batch, index)

    monkeypatch.setattr(StyleTransfer, "on_train_batch_start", spoil)
    code, _, err = train(tiny.arguments(tmp_path, checkpoint_seconds=0))
    assert code == 2
    assert "not finite at step 5" in err.splitlines()[-1]
    assert load_checkpoint(tmp_path / "tiny.ckpt").steps == 4


def test_a_streamed_data_set_trains_and_goes_on(tiny, train, tmp_path, interrupt_in_step):
    rows = [[make_jpeg(seed=10 * shard + row) for row in range(9)] for shard in range(2)]
    write_shards(tmp_path / "photos", rows)
    options = {"data": tmp_path / "photos", "logger": "none"}
    code, _, err = train(tiny.arguments(tmp_path / "whole", **options))
    assert code == 0, err
    interrupt_in_step(5, signal.SIGINT)
    assert train(tiny.arguments(tmp_path / "parts", **options))[0] == 130
    code, _, err = train(tiny.arguments(tmp_path / "parts", **options))
    assert code == 0, err
    assert_same_state(tmp_path / "parts" / "tiny.ckpt", tmp_path / "whole" / "tiny.ckpt")


def test_a_folder_with_generated_photos_trains_and_goes_on(tiny, train, tmp_path, interrupt_in_step):
    code, _, err = train(tiny.arguments(tmp_path / "whole", generated_share=0.5))
    assert code == 0, err
    assert "24 crops of 32 px (50% of generated photos)" in err
    assert "generated photos:" not in err  # C and S3 are those of the folder's
    interrupt_in_step(5, signal.SIGINT)
    assert train(tiny.arguments(tmp_path / "parts", generated_share=0.5))[0] == 130
    code, _, err = train(tiny.arguments(tmp_path / "parts"))
    assert code == 2
    assert "generated_share was 0.5 and is now 0.0" in err.splitlines()[-1]
    code, _, err = train(tiny.arguments(tmp_path / "parts", generated_share=0.5, cache_gb=0))
    assert code == 0, err
    assert_same_state(tmp_path / "parts" / "tiny.ckpt", tmp_path / "whole" / "tiny.ckpt")
    checkpoint = load_checkpoint(tmp_path / "parts" / "tiny.ckpt")
    assert checkpoint.record.options["generated_share"] == 0.5
    assert describe_style(checkpoint)["training.generated_share"] == "0.5"


def test_a_run_that_found_no_hub_stays_with_generated_photos(
    tiny, train, tmp_path, interrupt_in_step, monkeypatch
):
    def unnamed(output):
        return [option for option in tiny.arguments(output) if not option.startswith("--data=")]

    def fail(*_, **__):
        raise ConnectionError("no network")

    code, _, whole = train(tiny.arguments(tmp_path / "whole", data="generated"))
    assert code == 0, whole
    assert "the hub" not in whole
    with monkeypatch.context() as patch:
        patch.setattr(HfApi, "dataset_info", fail)
        interrupt_in_step(5, signal.SIGINT)
        code, _, err = train(unnamed(tmp_path / "parts"))
    assert code == 130, err
    assert err.count("training on generated photos") == 1
    assert load_checkpoint(tmp_path / "parts" / "tiny.ckpt").record.options["data"] == "generated"

    # By now the hub may be there.
    monkeypatch.setattr(HfApi, "dataset_info", lambda *_, **__: pytest.fail("asked the hub"))
    code, _, err = train(unnamed(tmp_path / "parts"))
    assert code == 0, err
    assert "the hub" not in err
    assert "24 crops of 32 px of generated photos" in err
    assert "on generated photos it never saw" in err
    assert "at 32 px on generated photos: not to be compared with those on real ones" in err
    checkpoint = load_checkpoint(tmp_path / "parts" / "tiny.ckpt")
    assert_same_state(tmp_path / "parts" / "tiny.ckpt", tmp_path / "whole" / "tiny.ckpt")
    described = describe_style(checkpoint)
    assert (described["training.data"], described["quality.data"]) == ("generated", "generated")


def test_tensorboard_receives_curves_and_pictures(tiny, train, tmp_path):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    code, _, err = train(tiny.arguments(tmp_path, logger="tensorboard", images=4, preview_seconds=0))
    assert code == 0, err
    assert "curves: tensorboard --logdir" in err
    found = accumulators.EventAccumulator(str(tmp_path / "tensorboard" / "tiny")).Reload()
    tags = found.Tags()
    assert {"train/style_loss", "train/learning_rate", "val/content_loss", "quality/style"} <= set(
        tags["scalars"]
    )
    assert [event.step for event in found.Scalars("train/style_loss")] == [1, 2]
    assert tags["images"] == ["val/preview"]


def test_a_style_without_weights_to_measure_it_with_is_finished_and_measured_later(tiny, train, tmp_path):
    code, _, err = train(tiny.arguments(tmp_path, images=2, quality_weights=tmp_path / "absent.pth"))
    assert code == 0, err
    assert "C and S3 will not be measured" in err
    checkpoint = load_checkpoint(tmp_path / "tiny.ckpt")
    assert checkpoint.record.finished
    assert checkpoint.record.quality is None
    code, out, err = train(tiny.arguments(tmp_path, images=2, quality_weights=tmp_path / "absent.pth"))
    assert (code, out) == (0, f"{tmp_path / 'tiny.ckpt'}\n")
    assert "tiny is already trained" in err
    for changed in ({"images": 4}, {"style_weight": 9.0}, {"width": 5}, {"optimizer": "adam"}):
        code, _, err = train(tiny.arguments(tmp_path, **{"images": 2} | changed))
        assert code == 2
        assert f"{next(iter(changed))} was " in err.splitlines()[-1]
    code, _, err = train(tiny.arguments(tmp_path, images=2, quality_size=40))
    assert code == 0, err
    measured = load_checkpoint(tmp_path / "tiny.ckpt")
    assert measured.record.quality.photos == 2
    for name, weights in measured.state["state_dict"].items():
        assert torch.equal(weights, checkpoint.state["state_dict"][name])


def test_a_style_that_is_not_to_be_measured_needs_no_weights_for_it(tiny, train, tmp_path):
    arguments = tiny.arguments(tmp_path, images=2, quality_size=0, quality_weights=tmp_path / "absent.pth")
    code, _, err = train(arguments)
    assert code == 0, err
    assert "measur" not in err
    assert load_checkpoint(tmp_path / "tiny.ckpt").record.finished
    assert "tiny is already trained" in train(arguments)[2]


def test_lightnings_own_options_pass_through(tiny, train, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        StyleTransfer, "on_fit_end", lambda self: seen.append(type(self.trainer.profiler).__name__)
    )
    code, _, err = train([*tiny.arguments(tmp_path, images=2), "--trainer.profiler=simple"])
    assert code == 0, err
    assert seen == ["SimpleProfiler"]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"trainer.max_steps": 3}, "--trainer.max_steps is set by fastnst's own options"),
        ({"trainer.limit_train_batches": 3}, "--trainer.limit_train_batches is set by fastnst's own options"),
        ({"trainer.no_such_option": 3}, "Lightning cannot train like this: .*no_such_option"),
        ({"strategy": "no-such-strategy"}, "Lightning cannot train like this: .*no-such-strategy"),
        ({"devices": 0}, "Lightning cannot train like this"),
        ({"precision": "half"}, "--precision 'half' is none of"),
        ({"accelerator": "tpu"}, "--accelerator 'tpu' is none of"),
        ({"content_layers": ("relu9_1",)}, "vgg16 has no layer 'relu9_1'"),
        ({"content_layers": ("relu3_1",)}, "vgg16 weights do not reach relu3_1"),
        ({"loss_network_weights": "absent.pth"}, "absent.pth: No such file"),
        ({"style": "absent.jpg"}, "no painting absent.jpg"),
        ({"init": "absent.ckpt"}, "--init absent.ckpt: there is no checkpoint absent.ckpt"),
        (
            {"init": "wave"},
            "--init wave has width 16, 4 wide blocks, 2 residual blocks and outer kernels of 5; this run has "
            "width 4, 1",
        ),
        ({"teacher": "absent.onnx"}, "--teacher absent.onnx: absent.onnx does not exist"),
        ({"data": "absent folder"}, "absent folder"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(tiny, train, tmp_path, changes, line):
    code, out, err = train(tiny.arguments(tmp_path, **changes))
    assert (code, out) == (2, "")
    assert re.search(f"^train: error: .*{line}", err.splitlines()[-1]), err
    assert "Traceback" not in err


def test_an_empty_folder_and_an_output_that_is_a_file_are_one_line(tiny, train, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, err = train(tiny.arguments(tmp_path, data=tmp_path / "empty"))
    assert code == 2
    assert str(tmp_path / "empty") in err.splitlines()[-1]
    (tmp_path / "file").write_text("")
    code, _, err = train(tiny.arguments(tmp_path / "file"))
    assert code == 2
    assert "cannot write to --output" in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory"),
            r"lower --batch-size \(now 2\) or --image-size \(now 32\)",
        ),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
            "the memory does not suffice",
        ),
        (RuntimeError("DataLoader worker (pid 1) is killed by signal: Bus error."), "try --workers 0"),
    ],
)
def test_memory_that_does_not_suffice_is_one_line(tiny, train, tmp_path, monkeypatch, error, line):
    def training_step(*_):
        raise error

    monkeypatch.setattr(StyleTransfer, "training_step", training_step)
    code, out, err = train(tiny.arguments(tmp_path))
    assert (code, out) == (2, "")
    assert re.search(f"^train: error: .*{line}", err.splitlines()[-1])
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("part", "option"),
    [
        ("train.run.settle.make_loss", "--style-size (now 32)"),
        ("train.run.settle.choose_start", "--image-size (now 32)"),
        ("train.run.finish.measure_and_tell", "--quality-size (now 32)"),
    ],
)
def test_memory_that_does_not_suffice_elsewhere_names_its_option(
    tiny, train, tmp_path, monkeypatch, part, option
):
    def fail(*_, **__):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(part, fail)
    code, out, err = train(tiny.arguments(tmp_path, images=2))
    assert (code, out) == (2, "")
    assert f"train: error: the memory does not suffice: lower {option}" in err.splitlines()[-1]
    if "quality" in option:
        monkeypatch.undo()
        code, _, err = train(tiny.arguments(tmp_path, images=2, quality_size=24))
        assert code == 0, err
        assert load_checkpoint(tmp_path / "tiny.ckpt").record.quality.size == 24


def test_any_other_error_of_a_step_is_not_hidden(tiny, train, tmp_path, monkeypatch):
    def training_step(*_):
        raise RuntimeError("a mistake in fastnst")

    monkeypatch.setattr(StyleTransfer, "training_step", training_step)
    with pytest.raises(RuntimeError, match="a mistake in fastnst"):
        train(tiny.arguments(tmp_path))
