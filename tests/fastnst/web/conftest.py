"""What the page's tests share: Node.js, a browser, and a site on a server."""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture(scope="session")
def node() -> str:
    """Node.js, which runs the page's modules."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("Node.js is not installed")
    return found
