"""Two small paintings, and a photo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst.arbitrary import freeze as freezing
from fastnst.arbitrary import frozen_files

SIZE = 96


def stripes(height: int, width: int, dark: tuple[int, int, int], light: tuple[int, int, int]) -> np.ndarray:
    """Diagonal strokes between two colours, uint8 (height, width, 3)."""
    y, x = np.mgrid[0:height, 0:width]
    part = (np.sin((x + 2 * y) / 5) / 2 + 0.5)[..., np.newaxis]
    return np.rint(np.array(dark) * (1 - part) + np.array(light) * part).astype(np.uint8)


@pytest.fixture(scope="session")
def paintings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with blue.png and red.png."""
    folder = tmp_path_factory.mktemp("paintings")
    Image.fromarray(stripes(80, 120, (10, 20, 90), (160, 200, 240))).save(folder / "blue.png")
    Image.fromarray(stripes(110, 90, (120, 10, 5), (250, 210, 60))).save(folder / "red.png")
    return folder


@pytest.fixture(autouse=True)
def measured_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure paintings at 96 px: at 768 each takes a second."""
    monkeypatch.setattr(freezing, "painting_size", lambda: SIZE)
    monkeypatch.setattr(frozen_files, "_files", {})


@pytest.fixture(scope="session")
def pixels() -> np.ndarray:
    """A photo of 70x90 pixels: light, a disc and a little noise."""
    y, x = np.mgrid[0:70, 0:90]
    photo = np.stack([x * 2.5, y * 3.0, 200 - x], axis=-1)
    photo[(y - 35) ** 2 + (x - 40) ** 2 < 400] = (230, 180, 90)
    noise = np.random.default_rng(0).normal(0, 3, photo.shape)
    return (photo + noise).round().clip(0, 255).astype(np.uint8)
