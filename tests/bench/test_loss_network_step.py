import sys

import pytest
import torch

from bench import loss_network_step
from bench.loss_network_step import make_step, processor_seconds


def test_processor_time_is_the_median_of_the_counted_rounds(monkeypatch):
    clock = iter([0, 1, 10, 11, 20, 24, 30, 33, 40, 45, 50, 58, 60, 75])
    monkeypatch.setattr(loss_network_step.time, "process_time", lambda: next(clock))
    order = []
    steps = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    assert processor_seconds(steps, rounds=3) == {"a": 3, "b": 5}
    assert "".join(order) == "abababab"


def test_each_loss_networks_part_is_what_it_adds_to_the_network_alone(monkeypatch, capsys):
    threads = torch.get_num_threads()
    arguments = ["--networks", "compact", "--image-size", "32", "--rounds", "1"]
    monkeypatch.setattr(sys, "argv", ["loss_network_step", *arguments])
    try:
        loss_network_step.main()
    finally:
        torch.set_num_threads(threads)
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0] for row in rows] == ["none", "compact"]
    (alone, nothing), (whole, part) = ([float(value) for value in row[1:]] for row in rows)
    assert nothing == 0
    assert part == pytest.approx(whole - alone, abs=0.011)  # each is rounded to 0.01


@pytest.mark.parametrize("name", [None, "compact"])
def test_a_step_leaves_a_gradient_with_any_loss_network(name):
    module = make_step(name, image_size=32)()
    assert all(weight.grad.abs().sum() > 0 for weight in module.network.parameters())
