import sys
from pathlib import Path

import pytest
import torch

from train.report.metrics import loss_metrics, peak_memory_gib


def test_losses_are_named_by_stage_term_and_layer(tiny_module):
    losses = tiny_module.losses
    assert loss_metrics(losses, "val") == pytest.approx(
        {
            "val/total_loss": losses.total.item(),
            "val/content_loss": losses.content.item(),
            "val/style_loss": losses.style.item(),
            "val/tv_loss": losses.tv.item(),
            "val/repetition_loss": losses.repetition.item(),
            "val/stability_loss": losses.stability.item(),
            "val/content_loss/relu2_2": losses.content_by_layer["relu2_2"].item(),
            "val/style_loss/relu1_2": losses.style_by_layer["relu1_2"].item(),
            "val/style_loss/scale/1": losses.style_by_scale[1].item(),
            "val/style_loss/relu2_2": losses.style_by_layer["relu2_2"].item(),
        }
    )


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_memory_of_a_cpu_run_is_that_of_the_process():
    status = Path("/proc/self/status").read_text().splitlines()
    (peak,) = [int(line.split()[1]) for line in status if line.startswith("VmHWM")]
    assert peak_memory_gib(torch.device("cpu")) == pytest.approx(peak / 2**20, rel=0.1)
