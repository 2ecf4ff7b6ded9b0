import math

import pytest
import torch
from torch import nn

from fastnst.errors import FastnstError
from train.network.transformer_net import TransformerNet
from train.network.wide_net import WideNet
from train.photos.crop_schedule import CropSchedule
from train.step.muon import Muon
from train.step.network_training import learning_rate_factor


def factors(steps, warmup, decay, stages=1):
    schedule = CropSchedule(128, stages, steps)
    return [learning_rate_factor(step, schedule, warmup, decay) for step in range(steps)]


def test_the_learning_rate_rises_linearly_and_falls_along_a_cosine():
    rates = factors(100, 10, "cosine")
    cosine = [0.5 * (1 + math.cos(math.pi * step / 100)) for step in range(100)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 * cosine[step] for step in range(10)])
    assert rates[10:] == pytest.approx(cosine[10:])
    assert learning_rate_factor(100, CropSchedule(128, 1, 100), 10, "cosine") == pytest.approx(0)


def test_the_learning_rate_falls_with_the_arithmetic_done():
    # 80 steps at 64 px are half of it, 20 at 128 px the other.
    rates = factors(100, 0, "cosine", stages=2)
    assert rates[80] == pytest.approx(0.5)
    assert rates[90] == pytest.approx(0.5 * (1 + math.cos(0.75 * math.pi)))


def test_without_decay_the_learning_rate_stays():
    assert factors(50, 5, "none")[5:] == 45 * [1.0]


def test_a_short_run_warms_up_for_a_tenth_of_it_at_most():
    assert factors(20, 1000, "none") == [0.5] + 19 * [1.0]
    assert factors(1, 1000, "cosine") == [1.0]


def test_the_optimizer_is_the_one_of_the_options(tiny_module):
    tiny_module.config.optimizer = "muon"
    optimizer = tiny_module.configure_optimizers()["optimizer"]
    assert isinstance(optimizer, Muon)
    orthogonal = {id(p) for group in optimizer.param_groups if group["orthogonal"] for p in group["params"]}
    network = tiny_module.network
    kernels = {id(module.weight) for module in network.modules() if isinstance(module, nn.Conv2d)}
    assert orthogonal == kernels - {id(network.to_rgb.weight)}
    tiny_module.config.optimizer = "adam"
    assert isinstance(tiny_module.configure_optimizers()["optimizer"], torch.optim.Adam)


def test_every_other_step_compares_with_a_changed_photo(tiny_module, monkeypatch):
    photos = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(1))
    tiny_module.network = TransformerNet(3, 1, 5)  # which has no grain that moves with the steps
    found = {}
    for step in range(4):
        monkeypatch.setattr(type(tiny_module), "global_step", step)
        for weight in (0.0, 2.0):
            tiny_module.loss.stability_weight = weight
            total = tiny_module.training_step(photos, 0).item()
            found[step, weight] = total, tiny_module.losses.stability.item()
    for step in range(4):
        (without, none), (total, stability) = found[step, 0.0], found[step, 2.0]
        assert none == 0
        assert (stability > 0) is (step % 2 == 0)
        assert total == pytest.approx(without + 2 * stability, rel=1e-5)
    assert found[0, 2.0] != found[2, 2.0]  # another change
    assert found[1, 2.0] == found[3, 2.0]


def test_each_step_lays_the_grain_of_the_canvas_elsewhere(tiny_module, monkeypatch):
    tiny_module.network = WideNet(3, 1, 5, 1)
    photos = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(1))
    places = []
    for step in (0, 1, 0):
        monkeypatch.setattr(type(tiny_module), "global_step", step)
        tiny_module.training_step(photos, 0)
        places.append(tiny_module.network.grain.place.tolist())
    assert places[0] == places[2] != places[1]  # a resumed run sees the same


def test_a_compiled_step_is_the_same_step(tiny_module, monkeypatch):
    photos = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    eager = tiny_module.training_step(photos, 0)
    compiled = []

    # Traced as a whole, which is where it can fail, but not translated to C++: that takes a minute.
    def compile_without_codegen(function, **options):
        compiled.append(function)
        return real_compile(function, backend="aot_eager", **options)

    real_compile = torch.compile
    monkeypatch.setattr(torch, "compile", compile_without_codegen)
    tiny_module.config.compile = True
    tiny_module.on_fit_start()
    loss = tiny_module.training_step(photos, 0)
    assert compiled == [tiny_module.compare]
    torch.testing.assert_close(loss, eager)
    loss.backward()
    assert all(parameter.grad is not None for parameter in tiny_module.network.parameters())


def test_the_module_holds_the_network_alone(tiny_module):
    assert all(name.startswith("network.") for name in tiny_module.state_dict())
    trained = sum(parameter.numel() for parameter in tiny_module.parameters())
    assert trained == sum(parameter.numel() for parameter in tiny_module.network.parameters())


def test_the_losses_that_are_kept_hold_no_graph(tiny_module):
    losses = tiny_module.losses
    kept = [losses.total, losses.content, losses.style, *losses.style_by_layer.values()]
    assert not any(term.requires_grad for term in kept)


def test_the_convolutions_are_channels_last(tiny_module):
    kernels = [p for p in tiny_module.network.parameters() if p.ndim == 4 and min(p.shape) > 1]
    assert kernels
    assert all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)


def test_the_gradient_is_clipped_to_its_greatest_norm(tiny_module):
    tiny_module.config.gradient_clip = 0.5
    for parameter in tiny_module.network.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = sum(p.numel() for p in tiny_module.network.parameters()) ** 0.5
    tiny_module.config.gradient_clip = 0.0
    tiny_module.on_before_optimizer_step()
    norm = torch.nn.utils.get_total_norm(p.grad for p in tiny_module.network.parameters())
    assert norm.item() == pytest.approx(before)
    tiny_module.config.gradient_clip = 0.5
    tiny_module.on_before_optimizer_step()
    norm = torch.nn.utils.get_total_norm(p.grad for p in tiny_module.network.parameters())
    assert norm.item() == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("clip", [0.0, 10.0])
def test_a_gradient_that_is_not_finite_changes_nothing(tiny_module, value, clip):
    # As one photo of a white sky gives it.
    tiny_module.config.gradient_clip = clip
    parameters = list(tiny_module.network.parameters())
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    parameters[3].grad[0] = value
    tiny_module.on_before_optimizer_step()
    assert all(torch.equal(p.grad, torch.zeros_like(p)) for p in parameters)


@pytest.mark.parametrize("others", ["vgg16", "compact"])
def test_processes_with_different_loss_networks_do_not_train_together(tiny_module, monkeypatch, others):
    def gather(names, mine):
        names[:] = [mine, others]

    tiny_module.config.loss_network = "vgg16"
    monkeypatch.setattr(torch.distributed, "all_gather_object", gather)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    if others == "vgg16":
        tiny_module.on_fit_start()
    else:
        with pytest.raises(FastnstError, match=r"\(compact, vgg16\): say which with --loss-network"):
            tiny_module.on_fit_start()
