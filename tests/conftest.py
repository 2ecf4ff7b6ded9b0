"""What every test runs under."""

import os
import signal
from collections.abc import Iterator
from typing import Any

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


# The tests of such a folder share what takes seconds to make, like a traced network. One process runs them.
TOGETHER = ("tests/export/", "tests/fastnst/web/")


def unit_of(test: str) -> str:
    """Return the folder or the file whose tests one process runs, for a test's id."""
    file = test.partition("::")[0]
    return next((folder for folder in TOGETHER if file.startswith(folder)), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Under `--dist loadfile`, hand the units out in the order of the collection."""
    from xdist.scheduler import LoadFileScheduling

    class Units(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit_of(nodeid)

    if config.option.dist != "loadfile":
        return None
    config.option.loadscopereorder = False  # it would begin with the units of most tests
    return Units(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In several processes, begin with the units that take long, which one process would end with alone."""
    if hasattr(config, "workerinput"):
        marked = (item for item in items for name in ("slow", "network") if item.get_closest_marker(name))
        long = {unit_of(item.nodeid) for item in marked}
        items.sort(key=lambda item: unit_of(item.nodeid) not in long)
