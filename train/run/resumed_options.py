"""The options of a resumed run: what it takes from its checkpoint, and what must not change."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from fastnst.errors import FastnstError
from train.config import AUTO_LOSS_NETWORK, DEFAULT_DATA, GENERATED_DATA, TrainingConfig

# Options that may differ: they do not change what is learned.
_FREE_ON_RESUME = frozenset(
    {
        "accelerator",
        "cache_gb",
        "checkpoint_seconds",
        "compile",
        "devices",  # their number is compared instead
        "fresh",
        "log_every",
        "logger",
        "num_nodes",
        "loss_network_weights",
        "output",
        "preview_seconds",
        "progress",
        "quality_size",
        "quality_weights",
        "strategy",
        "strength",  # compared as the style weight that it stands for
        "style_author",
        "style_licence",
        "style",  # compared by content, not by path
        "trainer",
        "wandb_project",
        "workers",
    }
)

# The values of options for runs older than the option.
_BEFORE_THE_OPTION = {
    "init": "none",
    "optimizer": "adam",
    "crop_stages": 1,
    "repetition_weight": 0.0,
    "stability_weight": 0.0,
    "generated_share": 0.0,
    "style_layer_weights": None,
    "style_scales": [1],
    "network": "full",
    "wide_blocks": 0,
}


def with_settled_options(config: TrainingConfig, started_with: Mapping[str, Any]) -> TrainingConfig:
    """Return a resumed run's options with `auto` replaced by what the run settled when it started.

    Args:
        config: The options as they were given now.
        started_with: The checkpoint's options, as `TrainingConfig.to_dict` returned them.

    Returns:
        The options, with `init` of the run, `loss_network` if it was `auto`, and `data` if it was not given.
    """
    return dataclasses.replace(_as_started(config, started_with), init=started_with.get("init", "none"))


def check_resumable(config: TrainingConfig, started_with: Mapping[str, Any]) -> None:
    """Check that a run was started with the options that it is resumed with.

    Args:
        config: The options as they were given now.
        started_with: The checkpoint's options, as `TrainingConfig.to_dict` returned them.

    Raises:
        FastnstError: If options differ that change what is learned; the line names all of them.
    """
    started = _BEFORE_THE_OPTION | dict(started_with)
    started["data"] = started.get("data") or DEFAULT_DATA
    differing = [
        f"{key} was {started[key]} and is now {value}"
        for key, value in _as_started(config, started).to_dict().items()
        if key not in _FREE_ON_RESUME and key in started and not _same(key, started[key], value)
    ]
    if differing:
        raise FastnstError(
            f"{config.checkpoint_path} was started with other options ({'; '.join(differing)}): "
            "give the same ones, or FRESH=1 (--fresh) to start again"
        )


def _as_started(config: TrainingConfig, started_with: Mapping[str, Any]) -> TrainingConfig:
    if config.loss_network == AUTO_LOSS_NETWORK:
        config = dataclasses.replace(config, loss_network=started_with["loss_network"])
    if config.data is None:
        generated = started_with.get("data") == GENERATED_DATA
        config = dataclasses.replace(config, data=GENERATED_DATA if generated else DEFAULT_DATA)
    return config


def _same(option: str, one: Any, other: Any) -> bool:
    if option == "init" and other == "auto":  # chosen once, when the run started
        return True
    if option == "data" and GENERATED_DATA in (one, other):  # a folder of this name is ./generated
        return bool(one == other)
    if (
        option in ("data", "init", "teacher") and one is not None and other is not None
    ):  # train2017 and ./train2017/ are one folder
        one, other = (os.path.abspath(os.path.expanduser(data)) for data in (one, other))  # noqa: PTH100, PTH111
    return bool(one == other)
