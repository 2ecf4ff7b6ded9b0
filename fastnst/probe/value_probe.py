"""Finding out what the values of a foreign model mean, by looking at what it makes of a picture."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fastnst.errors import FastnstWarning
from fastnst.model.image_model import ImageModel
from fastnst.model.values import BYTES, CAFFE, RANGES, Images, ValueRange
from fastnst.probe.trial_picture import trial_picture

_SIZE = (61, 75)

# Of several ranges that give about as good a picture, the first is taken: instance norm makes many networks
# blind to the range of their input.
_ABOUT_AS_GOOD = 0.8

# How much a model's values may exceed the range that they are clipped to.
_EXCESS = 0.25


@dataclass(frozen=True)
class _Trial:
    """What a model makes of the trial picture in one range.

    Attributes:
        given: The range of the input.
        found: The range of the output that suits it.
        score: How much of a picture it is, 0 to 1: the span of its tones, less those that are clipped.
    """

    given: ValueRange
    found: ValueRange
    score: float


def with_values(
    model: ImageModel, input_range: ValueRange | None, output_range: ValueRange | None, bgr: bool | None
) -> ImageModel:
    """Return the model with the range of its values and the order of its colours.

    The trial picture goes in with each range of values. The range of the output is the one in which most of
    its tones lie without being clipped, and the range of the input the one that gives the best picture:
    saturated networks give two tones, starved ones a single one. If several are about as good, the input has
    the output's range.

    Whether blue comes first cannot be seen if it does so on both sides; that is assumed for values less
    ImageNet's mean, which come from Caffe. If it does so on one side only, colours come out exchanged, which
    a model that keeps colours shows: then the output is taken to have the other order than the input.

    Args:
        model: The model, with its sizes.
        input_range: The range of the input; None finds it.
        output_range: The range of the output; None finds it.
        bgr: Whether blue comes first in the input; None finds it.

    Warns:
        FastnstWarning: If no range fits, and 0 to 255 is taken.
    """
    picture = trial_picture(model, _SIZE)
    if model.input.dtype == np.uint8:
        input_range = BYTES
    if model.output.dtype == np.uint8:
        output_range = BYTES
    trials = []
    for given in RANGES.values() if input_range is None else (input_range,):
        values = _run(replace(model, input_range=given), picture)
        if values is not None:
            trials += _trials(given, values, output_range)
    if trials:
        best = _choose(trials)
    else:
        best = _Trial(input_range or BYTES, output_range or BYTES, 0)
        if input_range is None and output_range is None:
            warnings.warn(
                f"{model.name} gives no picture with any range of values that fastnst knows: "
                f"{BYTES} is assumed; --input-range sets another",
                FastnstWarning,
                stacklevel=6,
            )
    model = replace(model, input_range=best.given, output_range=best.found)
    if bgr is None:
        bgr = CAFFE in (best.given, best.found)
    values = _run(model, picture)
    exchanged = values is not None and _exchanges_colours(picture, values)
    return replace(model, input_bgr=bgr, output_bgr=bgr != exchanged)


def _run(model: ImageModel, picture: Images) -> NDArray[np.float32] | None:
    """Return the output as (N, H, W, 3); None if it holds NaN or infinity."""
    output = model.run(picture)
    values = output if model.channels_last(output) else output.transpose(0, 2, 3, 1)
    return values.astype(np.float32) if np.isfinite(values).all() and values.size else None


def _trials(given: ValueRange, values: NDArray[np.float32], known: ValueRange | None) -> list[_Trial]:
    """Return the output's range that suits its values, as a list of one; empty if none does."""
    found: list[_Trial] = []
    lowest = float(np.quantile(values, 0.05))
    for output_range in RANGES.values() if known is None else (known,):
        black, white = np.array(output_range.black), np.array(output_range.white)
        # Black is a negative value there: a model that has none gives values from 0 up.
        is_centred = black.mean() < 0
        if is_centred and known is None and lowest > 0.1 * black.mean():
            continue
        tones = (values - black) / (white - black)
        low, high = np.quantile(tones, (0.05, 0.95))
        if known is None and not (low > -_EXCESS and high < 1 + _EXCESS):
            continue
        # Within each colour: colours that differ from one another everywhere are no picture.
        span = np.ptp(np.quantile(np.clip(tones, 0, 1), (0.05, 0.95), axis=(0, 1, 2)), axis=0).mean()
        score = float(span * np.mean((tones > 0.02) & (tones < 0.98)))
        if span > 0.05:
            # Values that do without negative ones, but for some, are the more usual.
            doubt = 0.5 if is_centred and found and black.mean() < -100 else 1.0
            found.append(_Trial(given, output_range, score * doubt))
    return [max(found, key=lambda trial: trial.score)] if found else []


def _choose(trials: list[_Trial]) -> _Trial:
    best = max(trial.score for trial in trials)
    near = [trial for trial in trials if trial.score >= _ABOUT_AS_GOOD * best]
    return next((trial for trial in near if trial.given == trial.found), near[0])


def _exchanges_colours(picture: Images, values: NDArray[np.float32]) -> bool:
    """Return whether red becomes the output's third channel and blue its first."""
    if values.shape != picture.shape:
        return False
    colours = picture.reshape(-1, 3).astype(np.float64)
    given = np.column_stack([colours, np.ones(len(colours))])
    result = values.reshape(-1, 3).astype(np.float64)
    weights, *_ = np.linalg.lstsq(given, result, rcond=None)
    deviation = result.std(axis=0)
    if not deviation.all():
        return False
    explained = (given @ weights).std(axis=0) / deviation
    weights = np.abs(weights / deviation)
    straight, crossed = weights[0, 0] + weights[2, 2], weights[2, 0] + weights[0, 2]
    return bool(explained[[0, 2]].min() > 0.8 and crossed > 4 * straight)
