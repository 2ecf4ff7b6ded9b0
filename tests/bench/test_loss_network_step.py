import sys

import torch

from bench import loss_network_step


def test_processor_time_is_the_median_of_the_counted_rounds(monkeypatch):
    clock = iter([0, 1, 10, 11, 20, 24, 30, 33, 40, 45, 50, 58, 60, 75])
    monkeypatch.setattr(loss_network_step.time, "process_time", lambda: next(clock))
    order = []
    steps = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    assert loss_network_step.processor_seconds(steps, rounds=3) == {"a": 3, "b": 5}
    assert "".join(order) == "abababab"


def test_each_loss_networks_part_is_what_it_adds_to_the_network_alone(monkeypatch, capsys):
    threads = torch.get_num_threads()
    monkeypatch.setattr(
        loss_network_step,
        "processor_seconds",
        lambda steps, rounds: {"none": 0.25, "vgg19": 1.0, "compact": 0.5},
    )
    monkeypatch.setattr(sys, "argv", ["loss_network_step"])
    try:
        loss_network_step.main()
    finally:
        torch.set_num_threads(threads)
    rows = capsys.readouterr().out.splitlines()[2:]
    assert rows == ["| none | 0.25 | 0.00 |", "| vgg19 | 1.00 | 0.75 |", "| compact | 0.50 | 0.25 |"]


def test_a_step_leaves_a_gradient_with_any_loss_network(monkeypatch):
    kept = []
    make = loss_network_step.StyleTransfer

    def make_and_keep(*arguments, **options):
        kept.append(make(*arguments, **options))
        return kept[-1]

    monkeypatch.setattr(loss_network_step, "StyleTransfer", make_and_keep)
    for name in (None, "compact"):
        loss_network_step._step(name, image_size=32)()
        assert all(weight.grad.abs().sum() > 0 for weight in kept[-1].network.parameters())
