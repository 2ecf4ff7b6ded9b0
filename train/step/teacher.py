"""A teacher: a network first copies a trained style, which costs a fifth of computing the loss."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from fastnst.errors import FastnstError
from fastnst.stylizer import Stylizer

# Far below the variance of any picture; keeps the quotient finite if the teacher paints one colour.
_LEAST_VARIANCE = 1e-6


class Teacher:
    """A trained style, of any network, whose pictures another network copies (Hinton et al. 2015).

    The target is the teacher's picture, pixel by pixel. The teacher is a function of the photo, so the same
    strokes can be learned at the same places (arXiv:1503.02531 does this with a classifier's logits).
    It runs in ONNX Runtime, which takes style files of other projects too.

    Args:
        model: A style's name or an ONNX file, as `fastnst stylize --model` takes it.

    Raises:
        FastnstError: If there is no such style, or it cannot be run.
    """

    def __init__(self, model: str) -> None:
        try:
            self._stylizer = Stylizer(model, threads=torch.get_num_threads())
        except FastnstError as error:
            raise FastnstError(f"--teacher {model}: {error}") from error
        self.name = Path(model).name.removesuffix(".onnx")

    def distance(self, stylized: Tensor, content: Tensor) -> Tensor:
        """Compare pictures with those that the teacher paints.

        Args:
            stylized: The network's pictures, (N, 3, H, W) in [0, 1]; gradients flow to these.
            content: The photos, of the same shape.

        Returns:
            Float32 scalar: the squared error divided by the variance of the teacher's pictures around their
            mean colours. 0 is a copy, 1 the error of painting the mean colour.
        """
        levels = (content.detach().float() * 255).round().clamp(0, 255).to(torch.uint8)
        painted = self._stylizer(levels.permute(0, 2, 3, 1).contiguous().cpu().numpy())
        target = torch.from_numpy(painted).to(stylized.device).permute(0, 3, 1, 2).float() / 255
        variance = (target - target.mean((2, 3), keepdim=True)).square().mean().clamp_min(_LEAST_VARIANCE)
        distance: Tensor = (stylized.float() - target).square().mean() / variance
        return distance
