"""The photos of a run: those that the user named, or else what can be had."""

from __future__ import annotations

import dataclasses

from huggingface_hub import HfApi

from fastnst.errors import FastnstError
from train.config import DEFAULT_DATA, GENERATED_DATA, TrainingConfig
from train.machine.answer_within import answer_within
from train.photos.folder import TrainingPhotos, open_photos
from train.terminal import say

_HUB_SECONDS = 10.0  # `datasets` itself tries for a minute or more
_MOST_OF_A_REASON = 160  # characters; those of HTTP libraries can be pages


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
    if data is not None:
        return config, _open(config, data)
    say(f"looking for {DEFAULT_DATA} on the Hugging Face hub")
    try:
        answer_within(_HUB_SECONDS, lambda: HfApi().dataset_info(DEFAULT_DATA, timeout=_HUB_SECONDS))
        return dataclasses.replace(config, data=DEFAULT_DATA), _open(config, DEFAULT_DATA)
    except FastnstError as error:  # a proxy or firewall may let the hub's answers through and no files
        why = str(error)
    # Networks, proxies, tokens and HF_HUB_OFFLINE each fail with their own class of error.
    except Exception as error:  # noqa: BLE001
        why = f"{type(error).__name__}: {error}"
    say(
        f"no data set given and COCO cannot be had from the hub ({_shortened(why)}): training on generated "
        f"photos (--data {GENERATED_DATA} says so by itself)"
    )
    return dataclasses.replace(config, data=GENERATED_DATA), _open(config, GENERATED_DATA)


def _open(config: TrainingConfig, data: str) -> TrainingPhotos:
    return open_photos(
        data, validation_photos=config.validation_photos, generated_share=config.generated_share
    )


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST_OF_A_REASON else f"{line[: _MOST_OF_A_REASON - 3]}..."
