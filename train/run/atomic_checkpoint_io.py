"""How Lightning writes checkpoints here: whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from fastnst.atomic_write import atomic_write
from fastnst.errors import FastnstError


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint files, written beside and renamed.

    Lightning writes through a temporary file that may be on another disk, where the final step is a copy
    that a kill cuts in half.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint.

        Args:
            checkpoint: What to save.
            path: The file.
            storage_options: Not supported: checkpoints are local files.

        Raises:
            FastnstError: If the disk is full or read-only.
            TypeError: If `storage_options` is given.
        """
        if storage_options is not None:
            raise TypeError("checkpoints are local files: storage_options is not supported")
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as temporary:
                torch.save(checkpoint, temporary)
        # PyTorch's writer reports a full disk as a RuntimeError.
        except (OSError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or " ".join(str(error).split())
            raise FastnstError(f"cannot write the checkpoint {path}: {reason}") from error
