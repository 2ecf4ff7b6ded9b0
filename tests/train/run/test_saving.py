from types import SimpleNamespace

import pytest
import torch

from fastnst.errors import FastnstError
from train.run.saving import RollingCheckpoint


class Trainer(SimpleNamespace):
    """What the callback needs of a trainer; `first_bad_steps` are what the processes have found."""

    def __init__(self, module, first_bad_steps=None, **values):
        self.saved = []
        super().__init__(
            **{"global_step": 10, "max_steps": 100, "world_size": 1, "is_global_zero": True}
            | {"should_stop": False, "save_checkpoint": self.saved.append}
            | values
        )
        self.strategy = SimpleNamespace(
            all_gather=lambda own: own if first_bad_steps is None else torch.tensor(first_bad_steps),
            broadcast=lambda value: value,
            reduce_boolean_decision=lambda decision, all: decision,  # noqa: A006 - Lightning's name
        )


def begin(module, tmp_path, every_seconds=0.0, **values):
    trainer = Trainer(module, **values)
    rolling = RollingCheckpoint(tmp_path / "tiny.ckpt", every_seconds)
    rolling.on_train_start(trainer, module)
    return rolling, trainer


@pytest.fixture
def end_step(tiny_module, tmp_path):
    """End one step; returns the callback and the trainer."""

    def end(every_seconds=0.0, **values):
        rolling, trainer = begin(tiny_module, tmp_path, every_seconds, **values)
        try:
            rolling.on_train_batch_end(trainer, tiny_module)
        finally:
            rolling.on_train_end(trainer, tiny_module)
        return rolling, trainer

    return end


def test_it_saves_when_the_time_has_come(end_step, tmp_path):
    assert end_step(every_seconds=0.0)[1].saved == [tmp_path / "tiny.ckpt"]
    assert end_step(every_seconds=1000.0)[1].saved == []


def test_the_last_step_is_saved_once_it_has_been_measured(end_step):
    assert end_step(global_step=100)[1].saved == []


def test_several_processes_agree_every_few_steps(end_step):
    assert end_step(world_size=2, global_step=11, first_bad_steps=[-1, -1])[1].saved == []
    assert len(end_step(world_size=2, global_step=20, first_bad_steps=[-1, -1])[1].saved) == 1


def test_a_process_stops_for_what_another_has_met(end_step):
    with pytest.raises(FastnstError, match="not finite at step 17"):
        end_step(world_size=2, global_step=20, first_bad_steps=[-1, 17])


def test_only_the_first_process_tells_why_it_stops(end_step):
    with pytest.raises(SystemExit) as stopped:
        end_step(world_size=2, global_step=20, first_bad_steps=[17, -1], is_global_zero=False)
    assert stopped.value.code == 0


@pytest.mark.parametrize("total", [float("nan"), float("inf"), -float("inf")])
def test_a_state_with_a_bad_loss_is_not_saved(tiny_module, tmp_path, total):
    rolling, trainer = begin(tiny_module, tmp_path)
    tiny_module.last_loss.fill_(total)
    with pytest.raises(FastnstError, match="not finite at step 10; no checkpoint"):
        rolling.on_train_batch_end(trainer, tiny_module)
    rolling.on_train_end(trainer, tiny_module)
    assert trainer.saved == []


def test_a_resumed_run_names_the_checkpoint_that_it_came_from(tiny_module, tmp_path):
    rolling = RollingCheckpoint(tmp_path / "tiny.ckpt", 1000.0, resumed=True)
    trainer = Trainer(tiny_module)
    rolling.on_train_start(trainer, tiny_module)
    tiny_module.last_loss.fill_(float("nan"))
    with pytest.raises(FastnstError, match=r"last good checkpoint is .*tiny\.ckpt"):
        rolling.on_train_batch_end(trainer, tiny_module)
    rolling.on_train_end(trainer, tiny_module)


@pytest.mark.parametrize(
    ("resumed", "kept"),
    [
        (True, r"the last good checkpoint is .*tiny\.ckpt, and the run goes on from it"),
        (False, "no checkpoint"),
    ],
)
def test_a_checkpoint_that_cannot_be_written_says_what_is_kept(tiny_module, tmp_path, resumed, kept):
    rolling = RollingCheckpoint(tmp_path / "tiny.ckpt", 0.0, resumed=resumed)

    def fail(path):
        raise FastnstError(f"cannot write the checkpoint {path}: the disk is full")

    trainer = Trainer(tiny_module, save_checkpoint=fail)
    rolling.on_train_start(trainer, tiny_module)
    with pytest.raises(FastnstError, match=rf"tiny\.ckpt: the disk is full; {kept}"):
        rolling.on_train_batch_end(trainer, tiny_module)
    rolling.on_train_end(trainer, tiny_module)
