"""Whether two runs stand at the same place."""

import torch

from train.network.checkpoint import load_checkpoint

_COMPARED = ("global_step", "state_dict", "optimizer_states", "lr_schedulers", "PhotoDataModule")


def assert_same_state(ours, theirs):
    """Compare weights, optimizer and schedule of two checkpoints of styles bit for bit."""
    assert_same_run(load_checkpoint(ours).state, load_checkpoint(theirs).state)


def assert_same_run(one, other):
    """Compare weights, optimizer and schedule of two checkpoints' contents bit for bit."""
    for key in _COMPARED:
        _compare(one[key], other[key], key)


def _compare(one, other, place):
    assert type(one) is type(other), place
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), place
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), place
        for key in one:
            _compare(one[key], other[key], f"{place}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), place
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            _compare(left, right, f"{place}[{index}]")
    else:
        assert one == other, place
