"""What many styles look like: each style file paints the same photos, which no training has seen."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from PIL import Image

from fastnst import Stylizer
from fastnst.errors import FastnstError
from fastnst.image.file import read_image
from fastnst.image.resize import fit
from fastnst.model import keys
from fastnst.model.metadata import read_metadata
from train.config import TrainingConfig
from train.many.sheet import Pixels, compose_strip
from train.many.style_run import StyleRun
from train.photos.photo import whole_images
from train.photos.sources import photos_to_judge

log = logging.getLogger(__name__)

_PHOTOS = 4
_PAINTED = 512  # pixels of the longer side, at which C and S3 are measured
_SHOWN = 360  # width of each picture on the sheet


def paint_strips(
    runs: Sequence[StyleRun], config: TrainingConfig
) -> tuple[list[Pixels], dict[str, Image.Image]]:
    """Paint photos in every style that is exported.

    Args:
        runs: The styles.
        config: The options of the trainings: they name the photos.

    Returns:
        The photos, and by the name of each style its painting and the painted photos in a row. A style that
        cannot paint is left out, with a line in the log.

    Raises:
        FastnstError: If the photos cannot be had.
    """
    models = [(run, run.model) for run in runs if run.model is not None]
    if not models:
        return [], {}
    # A training without --data tells in its style file what it was trained on.
    data = config.data or read_metadata(models[0][1]).get(keys.TRAINING_DATA, "")
    count = max(1, min(_PHOTOS, config.validation_photos))
    photos = whole_images(photos_to_judge(data, count, held_out=config.validation_photos), _PAINTED)
    height = max(fit((photo.shape[1], photo.shape[0]), _SHOWN)[1] for photo in photos)
    strips = {}
    for run, model in models:
        try:
            stylize = Stylizer(model)
            painting = read_image(run.painting, reduce_above=(4 * _SHOWN) ** 2).pixels
            painted = [stylize(photo) for photo in photos]
            strips[run.name] = compose_strip(np.asarray(painting), painted, (_SHOWN, height))
        except FastnstError as error:  # noqa: PERF203 - each style for itself
            log.warning("%s is not on the sheet: %s", run.name, error)
    return photos, strips
