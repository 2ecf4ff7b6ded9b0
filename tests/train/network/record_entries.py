"""A run's record as it stands in a checkpoint file."""

from train.network.record import FORMAT


def entries(**changes):
    """Return a whole record as plain values; `changes` replaces entries."""
    return {
        "format": FORMAT,
        "version": "0.1.0",
        "options": {"width": 4, "residual_blocks": 1, "outer_kernel_size": 9},
        "style": {"name": "wave", "sha256": "0", "width": 32, "height": 24, "author": "", "licence": ""},
        "precision": "32-true",
        "world_size": 1,
        "max_steps": 7,
        "seconds": 1.5,
        "losses": {},
        "quality": None,
        "finished": True,
        "tracking_run": {},
        "init": {},
    } | changes
