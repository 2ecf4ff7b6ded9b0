"""What every test runs under."""

import os
import signal
from collections.abc import Iterator

import pytest

# Read by OpenMP when PyTorch is first imported, here and in the processes that tests start. The tensors of
# tests are too small to gain from threads, which on a busy machine wait for each other for long.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_interrupts() -> Iterator[None]:
    """Let Ctrl-C interrupt the tests and the processes that they start.

    A process started with SIGINT ignored, as under `nohup make test &`, ignores it, and so do its children.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    if before is not None:
        signal.signal(signal.SIGINT, before)
