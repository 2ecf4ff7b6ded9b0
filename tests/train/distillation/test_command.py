"""The whole command: two steps of distilling a random teacher."""

import pytest
import safetensors.torch
import torch
from PIL import Image

from tests.train.make_photos import make_pixels
from tests.train.network.style_weights import make_network, write_weights
from train.distillation import __main__ as distillation
from train.distillation import start as distillation_start
from train.distillation.__main__ import main
from train.distillation.targets import TeacherNetwork
from train.distillation.workers import _spread
from train.loss.compact import COMPACT_LAYERS, load_compact_state, random_compact_state
from train.loss.vgg import random_vgg_state


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distillation")
    (folder / "photos").mkdir()
    for number in range(10):
        Image.fromarray(make_pixels(260, 220, number)).save(folder / "photos" / f"{number}.png")
    Image.fromarray(make_pixels(240, 200, 20)).save(folder / "painting.png")
    safetensors.torch.save_file(random_vgg_state("vgg19", COMPACT_LAYERS), folder / "vgg19.safetensors")
    safetensors.torch.save_file(random_compact_state(), folder / "start.safetensors")
    return folder


@pytest.fixture
def few_images(monkeypatch):
    for name, value in {"_BASIS_IMAGES": 6, "_SOLVING_IMAGES": 6, "_VALIDATION_GROUPS": 1}.items():
        monkeypatch.setattr(distillation, name, value)
    monkeypatch.setattr(distillation_start, "_POSITIONS", 200)


class SupplyOfThisProcess:
    """Makes targets when they are asked for: another process takes seconds to start."""

    def __init__(self, sources, basis, student, *, workers, seed):
        self.teacher = TeacherNetwork(sources.load_features(), basis)
        self.images = sources.open_images(seed)
        self.gradient = False

    def ask_for_gradients(self):
        self.gradient = True

    def take(self):
        return self.teacher(self.images.group(None), gradient=self.gradient)

    def ready(self):
        return True

    def close(self):
        pass


def arguments(folder, *more):
    return [
        *("--teacher", str(folder / "vgg19.safetensors"), "--data", str(folder / "photos")),
        *("--paintings", str(folder / "painting.png"), "--networks", "wave"),
        *("--start", str(folder / "start.safetensors"), "--steps", "2", *more),
    ]


@pytest.mark.slow
def test_two_steps_leave_one_file_that_training_reads(folder, few_images, monkeypatch, capsys):
    monkeypatch.setattr(distillation, "_STEPS_BETWEEN_REPORTS", 1)
    output = folder / "new.safetensors"
    assert main(arguments(folder, "-o", str(output))) == 0
    assert "step 2 of 2" in capsys.readouterr().err
    before, after = (load_compact_state(path) for path in (folder / "start.safetensors", output))
    assert any((after[name] != weight).any() for name, weight in before.items())
    assert [path.name for path in folder.glob("new*")] == ["new.safetensors"]


def narrower(state):
    first, second = "conv1_1", "conv1_2"
    cut = {f"{first}.weight": state[f"{first}.weight"][:5], f"{first}.bias": state[f"{first}.bias"][:5]}
    return state | cut | {f"{second}.weight": state[f"{second}.weight"][:, :5]}


def wider(state):
    return state | {"conv1_1.weight": torch.zeros(512, 3, 3, 3)}


def without_a_head(state):
    return {name: weight for name, weight in state.items() if name != "relu2_2.weight"}


@pytest.mark.slow
def test_a_narrower_start_is_widened(folder, few_images, monkeypatch, capsys):
    monkeypatch.setattr(distillation, "TargetSupply", SupplyOfThisProcess)
    start, output = folder / "narrow.safetensors", folder / "widened.safetensors"
    safetensors.torch.save_file(contiguous(narrower(random_compact_state())), start)
    assert main(arguments(folder, "-o", str(output), "--start", str(start))) == 0
    assert f"{start} has fewer channels" in capsys.readouterr().err
    assert {name: weight.shape for name, weight in load_compact_state(output).items()} == {
        name: weight.shape for name, weight in random_compact_state().items()
    }


@pytest.mark.parametrize(
    ("change", "says"),
    [(wider, "conv1_1.weight is (512, 3, 3, 3) where"), (without_a_head, "relu2_2.weight is missing where")],
)
def test_a_start_that_does_not_fit_is_one_line(folder, change, says, capsys):
    start = folder / "misfit.safetensors"
    safetensors.torch.save_file(contiguous(change(random_compact_state())), start)
    assert main(arguments(folder, "-o", str(folder / "mistake.safetensors"), "--start", str(start))) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"distillation: error: --start {start}: {says}")


def test_styles_of_another_network_are_refused(folder, tmp_path, capsys):
    small = write_weights(tmp_path / "small.onnx", make_network())
    command = arguments(folder, "-o", str(folder / "mistake.safetensors"), "--networks", str(small))
    assert main(command) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith(f"distillation: error: --networks {small} has width 4, 1 wide block")


def contiguous(state):
    return {name: weight.contiguous() for name, weight in state.items()}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--steps", "0"], "--steps must be at least 1"),
        (["--workers", "0"], "--workers must be at least 1"),
        (["--seed", "-1"], "--seed must be at least 0"),
        (["--learning-rate", "nan"], "--learning-rate must be above 0"),
        (["-o", "nowhere/new.safetensors"], "-o nowhere/new.safetensors must be a file in a folder that"),
        (["--data", "nowhere"], "--data nowhere must be a folder of photos"),
        (["--sideways"], "--sideways"),
    ],
)
def test_a_mistake_is_one_line(folder, more, says, capsys):
    assert main(arguments(folder, "-o", str(folder / "mistake.safetensors"), *more)) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("distillation: error: ")
    assert says in line
    assert not (folder / "mistake.safetensors").exists()


def test_of_many_photos_some_from_all_over_are_taken():
    assert _spread(7) == list(range(7))
    some = _spread(118_287)
    assert len(set(some)) == 400
    assert some[0] == 0
    assert 117_900 < some[-1] < 118_287
