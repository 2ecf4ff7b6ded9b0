"""What the tests of a cluster share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def invert(models: Path) -> Path:
    return models / "invert.onnx"
