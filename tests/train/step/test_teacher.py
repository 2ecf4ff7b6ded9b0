import csv
import signal

import pytest
import torch

from fastnst.errors import FastnstError
from tests.fastnst import tiny_models
from tests.train.compare_states import assert_same_state
from train.network.checkpoint import load_checkpoint
from train.step.teacher import Teacher


@pytest.fixture
def negative(tmp_path):
    """A style whose pictures are the photos' negatives."""
    return tiny_models.invert(tmp_path / "negative.onnx")


def test_the_distance_is_0_for_a_copy_and_1_for_the_mean_colour(negative):
    teacher = Teacher(str(negative))
    assert teacher.name == "negative"
    levels = torch.randint(256, (2, 3, 5, 7), generator=torch.Generator().manual_seed(0))
    content = levels / 255
    assert teacher.distance(1 - content, content).item() == pytest.approx(0, abs=1e-9)
    mean = (1 - content).mean((2, 3), keepdim=True).expand_as(content)
    assert teacher.distance(mean, content).item() == pytest.approx(1, abs=1e-5)


def test_gradients_lead_to_the_teachers_picture(negative):
    content = torch.full((1, 3, 4, 4), 1.0)
    content[..., ::2] = 0
    stylized = torch.full_like(content, 0.5, requires_grad=True)
    Teacher(str(negative)).distance(stylized, content).backward()
    assert torch.equal(stylized.grad.sign(), content * 2 - 1)  # a step against it makes black of white


def test_a_picture_of_one_colour_has_a_finite_distance(negative):
    content = torch.ones(1, 3, 4, 4)
    assert torch.isfinite(Teacher(str(negative)).distance(content, content))


def test_no_such_teacher_is_one_line():
    with pytest.raises(FastnstError, match=r"^--teacher absent\.onnx: absent\.onnx does not exist"):
        Teacher("absent.onnx")


@pytest.mark.slow
def test_a_run_copies_its_teacher_first_and_goes_on_where_it_was_interrupted(
    negative, tiny, train, tmp_path, monkeypatch
):
    # 12 steps; the first six copy.
    options = {"teacher": negative, "teacher_share": 0.5, "logger": "csv", "log_every": 1}
    code, _, err = train(tiny.arguments(tmp_path / "whole", **options))
    assert code == 0, err
    with (tmp_path / "whole" / "csv" / "tiny" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows if row["train/teacher_distance"]] == list(range(1, 7))
    assert [int(row["step"]) for row in rows if row["train/style_loss"]] == list(range(7, 13))

    for number, step in enumerate((3, 9)):
        output = tmp_path / f"parts{number}"
        with monkeypatch.context() as patch:
            _interrupt(patch, step)
            assert train(tiny.arguments(output, **options))[0] == 130
        if step > 6:  # nobody is copied any more
            negative.rename(negative.with_suffix(".away"))
        code, _, err = train(tiny.arguments(output, **options))
        assert code == 0, err
        assert_same_state(output / "tiny.ckpt", tmp_path / "whole" / "tiny.ckpt")
    assert load_checkpoint(tmp_path / "parts0" / "tiny.ckpt").record.options["teacher"] == str(negative)


def _interrupt(monkeypatch, step):
    from train.step.style_transfer import StyleTransfer

    original = StyleTransfer.training_step

    def training_step(self, *arguments):
        if self.global_step + 1 == step:
            signal.raise_signal(signal.SIGINT)
        return original(self, *arguments)

    monkeypatch.setattr(StyleTransfer, "training_step", training_step)
