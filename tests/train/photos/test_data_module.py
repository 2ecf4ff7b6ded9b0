"""Photos in a whole run."""

import signal

import pytest
import torch

from tests.train.compare_states import assert_same_state
from train.network.checkpoint import KEY
from train.step.style_transfer import StyleTransfer


@pytest.mark.parametrize("stopped_after", [3, 9])
def test_a_run_of_several_stages_goes_on_exactly(tiny, train, tmp_path, monkeypatch, stopped_after):
    """Also where workers have made batches of the next stage ahead, and with photos kept or not."""
    options = {"image_size": 64, "crop_stages": 2, "images": 24}  # 9 steps of 32 px, 3 of 64
    code, _, err = train(tiny.arguments(tmp_path / "whole", **options, cache_gb=0))
    assert code == 0, err

    sides = []
    original = StyleTransfer.training_step

    def training_step(self, content, index):
        sides.append(content.shape[-1])
        if len(sides) == stopped_after:
            signal.raise_signal(signal.SIGINT)
        return original(self, content, index)

    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(StyleTransfer, "training_step", training_step)
    try:
        assert train(tiny.arguments(tmp_path / "parts", **options, workers=1))[0] == 130
        code, _, err = train(tiny.arguments(tmp_path / "parts", **options, workers=1))
    finally:
        signal.signal(signal.SIGINT, handler)
    assert code == 0, err
    assert f"at step {stopped_after} of 12" in err
    assert sides == 9 * [32] + 3 * [64]
    assert_same_state(tmp_path / "parts" / "tiny.ckpt", tmp_path / "whole" / "tiny.ckpt")


def test_a_run_that_is_stopped_before_its_first_step_keeps_its_place_in_the_photos(tiny, train, tmp_path):
    """A run that goes on, and has no step to take, must not save that it is at the first photo."""
    arguments = tiny.arguments(tmp_path / "parts", images=6)
    code, _, err = train(arguments)
    assert code == 0, err
    path = tmp_path / "parts" / "tiny.ckpt"
    whole = torch.load(path, weights_only=True)
    unfinished = torch.load(path, weights_only=True)
    unfinished[KEY] = {**unfinished[KEY], "finished": False}
    torch.save(unfinished, path)
    code, _, err = train(arguments)
    assert code == 0, err
    again = torch.load(path, weights_only=True)
    assert whole["PhotoDataModule"]["positions"][0] is not None
    assert again["PhotoDataModule"] == whole["PhotoDataModule"]
