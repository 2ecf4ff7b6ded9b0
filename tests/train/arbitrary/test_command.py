"""The whole command, with paintings and crops small enough for seconds."""

import signal

import pytest
import torch
from PIL import Image

from fastnst.errors import FastnstError
from tests.train.compare_states import assert_same_run
from tests.train.make_photos import make_pixels
from train.arbitrary import paintings, run
from train.arbitrary.__main__ import main
from train.arbitrary.checkpoint import load_any_painting
from train.arbitrary.transfer import AnyPaintingTransfer


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(paintings, "_SIZES", (64, 72))
    monkeypatch.setattr(paintings, "_KEPT_SIZE", 100)
    monkeypatch.setattr(
        paintings, "draw_abstract_painting", lambda seed, size: make_pixels(100, 80, 1000 + seed)
    )
    monkeypatch.setattr(run, "_TYPICAL_PHOTOS", 2)
    monkeypatch.setattr(run, "_TYPICAL_SIZE", 64)


def arguments(tiny, output, **changes):
    given = {
        "paintings": tiny.painting,
        "data": tiny.photos,
        "output": output,
        "images": 8,
        "image-size": 64,
        "logger": "none",
        "precision": "32-true",
        "accelerator": "cpu",
        "workers": 0,
    } | changes
    return [f"--{name}={value}" for name, value in given.items()]


def test_it_trains_and_a_stopped_run_goes_on_bit_for_bit(tiny, tmp_path, monkeypatch, capsys):
    assert main(arguments(tiny, tmp_path / "whole")) == 0
    whole = load_any_painting(tmp_path / "whole" / "any_painting.ckpt")
    assert (tmp_path / "whole" / "any_painting.png").exists()
    assert capsys.readouterr().out.strip() == str(tmp_path / "whole" / "any_painting.ckpt")
    assert whole.steps == 4
    assert whole.record.finished
    assert list(whole.record.paintings) == [tiny.painting.name]

    original = AnyPaintingTransfer.training_step

    def stop_at_two(self, content, batch_idx):
        if self.global_step == 1:
            signal.raise_signal(signal.SIGINT)
        return original(self, content, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(AnyPaintingTransfer, "training_step", stop_at_two)
        assert main(arguments(tiny, tmp_path / "parts")) == 130
    half = load_any_painting(tmp_path / "parts" / "any_painting.ckpt")
    assert half.steps == 2
    assert not half.record.finished
    assert main(arguments(tiny, tmp_path / "parts")) == 0
    assert_same_run(*(torch.load(tmp_path / name / "any_painting.ckpt") for name in ("parts", "whole")))
    assert any(
        not torch.equal(value, half.network.state_dict()[name])
        for name, value in whole.network.state_dict().items()
    )

    # A further run starts from its weights, and keeps what its encoder learnt of photos.
    start = tmp_path / "whole" / "any_painting.ckpt"
    capsys.readouterr()
    assert main([*arguments(tiny, tmp_path / "further", start=start, images=2), "--learning-rate=1e-9"]) == 0
    further = load_any_painting(tmp_path / "further" / "any_painting.ckpt")
    assert further.record.start == str(start)
    for module in ("network", "encoder"):
        for name, value in getattr(whole, module).state_dict().items():
            torch.testing.assert_close(getattr(further, module).state_dict()[name], value, msg=name)
    assert "measuring" not in capsys.readouterr().err


def test_a_run_goes_on_only_with_its_own_paintings_and_options(tiny, tmp_path, monkeypatch, capsys):
    def stop_at_once(self, content, batch_idx):
        signal.raise_signal(signal.SIGINT)
        return original(self, content, batch_idx)

    original = AnyPaintingTransfer.training_step
    with monkeypatch.context() as patch:
        patch.setattr(AnyPaintingTransfer, "training_step", stop_at_once)
        assert main(arguments(tiny, tmp_path)) == 130
    before = (tmp_path / "any_painting.ckpt").read_bytes()
    for changes, words in (
        ({"paintings": tiny.other_painting}, "other --paintings, --held-out or --start"),
        ({"style-weight": 3}, "style_weight was 10"),
    ):
        assert main(arguments(tiny, tmp_path, **changes)) == 2
        assert words in capsys.readouterr().err
    assert (tmp_path / "any_painting.ckpt").read_bytes() == before


def test_held_out_paintings_are_measured_and_never_seen(tiny, tmp_path, capsys):
    folder = tmp_path / "paintings"
    folder.mkdir()
    for number in range(2):
        Image.fromarray(make_pixels(80, 70, number)).save(folder / f"{number}.png")
    changes = {"paintings": folder, "held-out": folder / "1.png", "quality-weights": tiny.vgg19, "images": 2}
    assert main(arguments(tiny, tmp_path, **changes)) == 0
    assert "1: C " in capsys.readouterr().err
    assert list(load_any_painting(tmp_path / "any_painting.ckpt").record.paintings) == ["0.png"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"paintings": "nothing.jpg"}, "no painting nothing.jpg"),
        ({"start": "no_such_style"}, "no style is called"),
        ({"images": 0}, "--images must be at least 1"),
        ({"accelerator": "cuda:7"}, "--accelerator"),
    ],
)
def test_a_mistake_is_one_line(tiny, tmp_path, capsys, changes, words):
    assert main(arguments(tiny, tmp_path, **changes)) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("arbitrary: error")]
    assert words in line


def test_another_networks_weights_do_not_start_it(tiny, tmp_path, train, capsys):
    assert train([*tiny.arguments(tmp_path, images=2)])[0] == 0
    assert main(arguments(tiny, tmp_path, start=tmp_path / "tiny.ckpt")) == 2
    assert "is another network" in capsys.readouterr().err


def test_other_files_are_no_checkpoint(tiny, tmp_path):
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    (tmp_path / "damaged.ckpt").write_bytes(b"no checkpoint")
    for name, words in (("other", "no checkpoint of"), ("damaged", "damaged"), ("missing", "there is no")):
        with pytest.raises(FastnstError, match=words):
            load_any_painting(tmp_path / f"{name}.ckpt")
