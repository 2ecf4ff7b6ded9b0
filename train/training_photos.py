"""The photos of a run: those that the user named, or else what can be had."""

from __future__ import annotations

import dataclasses
import logging

from huggingface_hub import HfApi

from fastnst.errors import FastnstError
from train.config import DEFAULT_DATA, GENERATED_DATA, TrainingConfig
from train.photos import TrainingPhotos, open_photos
from train.terminal import say

_log = logging.getLogger(__name__)

_HUB_SECONDS = 10.0  # `datasets` itself tries for a minute or more


def open_training_photos(config: TrainingConfig) -> tuple[TrainingConfig, TrainingPhotos]:
    """Open the photos that a run trains on.

    Data that the user named is never replaced. Where none is named, it is COCO from the Hugging Face hub, and
    generated photos where that cannot be reached, which the user is told.

    Args:
        config: The run's options.

    Returns:
        The options with the data that was opened, and the photos.

    Raises:
        FastnstError: As `open_photos`.
    """
    data = config.data
    if data is None and config.generated_share:
        raise FastnstError(
            "--generated-share mixes generated photos with your own: give their folder with DATA (--data)"
        )
    if data is None and _hub_answers():
        data = DEFAULT_DATA
        try:
            return dataclasses.replace(config, data=data), _open(config, data)
        except FastnstError as error:  # a proxy or firewall may let the hub's answers through and no files
            _log.warning("%s", error)
            data = None
    if data is None:
        say(
            "no data set given and the hub cannot be reached: training on generated photos (--data "
            f"{GENERATED_DATA} says so by itself)"
        )
        data = GENERATED_DATA
    return dataclasses.replace(config, data=data), _open(config, data)


def _open(config: TrainingConfig, data: str) -> TrainingPhotos:
    return open_photos(
        data, validation_photos=config.validation_photos, generated_share=config.generated_share
    )


def _hub_answers() -> bool:
    try:
        HfApi().dataset_info(DEFAULT_DATA, timeout=_HUB_SECONDS)
    # Networks, proxies, tokens and HF_HUB_OFFLINE each fail with their own class of error.
    except Exception as error:  # noqa: BLE001
        _log.debug("the hub cannot be reached: %s", error)
        return False
    return True
