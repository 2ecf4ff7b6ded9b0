"""What runs on the machines of a Ray cluster: the training of one style, and the board that tells of it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fastnst.errors import FastnstError
from train.many.children import Children
from train.many.style_run import StyleRun
from train.run.lock import run_lock

Told = tuple[StyleRun, dict[str, Any]]
"""An event of a training, or `BEGUN`, and its style as it then was."""

BEGUN: dict[str, Any] = {"event": "begun"}
"""What a machine tells before it starts anything. Where a signal had come before, it starts nothing."""

_TELL_SECONDS = 0.5
_SHARED_SECONDS = 30.0  # network drives show a new file late
_LOCK_SECONDS = 300.0  # network drives free the locks of a machine that has gone late

# A training may die with its memory, which other programs of the machine have taken.
_TRIES = 3

# By these Lightning would take the training for a part of the job that Ray's own processes are.
_OF_OTHER_JOBS = ("SLURM_", "RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "WORLD_SIZE", "MASTER_")


class Board:
    """An actor through which trainings tell the command what happens, and learn that they are to stop."""

    def __init__(self) -> None:
        self._told: list[Told] = []
        self._stops = 0

    def tell(self, told: Sequence[Told]) -> int:
        """Add events; return how many signals have come. Trainings call it."""
        self._told += told
        return self._stops

    def take(self, stops: int) -> list[Told]:
        """Return the events since the last call. The command calls it, and says how many signals came."""
        told, self._told = self._told, []
        self._stops = stops
        return told


class Place(NamedTuple):
    """What every machine must see.

    Attributes:
        folder: The folder in which the command runs.
        mark: A file in the output folder, which the command has just written.
    """

    folder: Path
    mark: Path

    def check(self) -> None:
        """Go to the folder.

        Raises:
            FastnstError: If this machine does not see the folder or the file.
        """
        end = time.monotonic() + _SHARED_SECONDS
        while not (self.folder.is_dir() and self.mark.exists()):
            if time.monotonic() > end:
                missing = self.mark.parent if self.folder.is_dir() else self.folder
                raise FastnstError(
                    f"{os.uname().nodename} does not see the {missing} of this machine: all machines must "
                    "share the folder of the command, the photos and --output"
                )
            time.sleep(0.1)
        os.chdir(self.folder)


def look(place: Place) -> str:
    """Return why trainings cannot run on this machine, or nothing."""
    try:
        place.check()
    except FastnstError as error:
        return str(error)
    return ""


def train_style(
    run: StyleRun,
    training: Sequence[str],
    environment: Mapping[str, str],
    place: Place,
    checkpoint: Path,
    board: Any,
    *,
    is_again: bool,
) -> StyleRun:
    """Train and export a style on this machine.

    Args:
        run: The style.
        training: The options of the training.
        environment: Added to this machine's environment.
        place: What this machine must see.
        checkpoint: The style's checkpoint.
        board: The actor `Board`.
        is_again: Whether another machine or process had begun it, which may not have ended yet.

    Returns:
        The style, as it has become.
    """
    import ray

    if ray.get(board.tell.remote([(run, BEGUN)])):
        return run
    for name in [name for name in os.environ if name.startswith(_OF_OTHER_JOBS)]:
        del os.environ[name]
    children = Children()
    with _telling(board, children) as told:

        def tell(run: StyleRun, event: dict[str, Any]) -> None:
            told.put((dataclasses.replace(run), event))

        try:
            place.check()
            if is_again:
                _wait_for_lock(checkpoint, children)
        except FastnstError as error:
            run.fail(str(error), tell)
        else:
            run.note(f"on {os.uname().nodename}")
            run.run(training, environment, children, tell, tries=_TRIES)
    return run


@contextlib.contextmanager
def _telling(board: Any, children: Children) -> Iterator[queue.SimpleQueue[Told]]:
    """Pass on to the board what is put into the queue, and to the children what the board says."""
    import ray

    told: queue.SimpleQueue[Told] = queue.SimpleQueue()
    ended = threading.Event()

    def pass_on() -> None:
        is_last = False
        while not is_last:
            is_last = ended.wait(_TELL_SECONDS)
            events = []
            while not told.empty():
                events.append(told.get())
            try:
                children.stop(ray.get(board.tell.remote(events)))
            except ray.exceptions.RayError:  # the command has gone
                children.stop(1)

    thread = threading.Thread(target=pass_on, name="board")
    thread.start()
    try:
        yield told
    finally:
        ended.set()
        thread.join()


def _wait_for_lock(checkpoint: Path, children: Children) -> None:
    """Wait until the process that had begun a style holds its checkpoint no longer; not for ever."""
    end = time.monotonic() + _LOCK_SECONDS
    while not children.stopping and time.monotonic() < end:  # after which the training says who holds it
        with contextlib.suppress(FastnstError), run_lock(checkpoint):
            return
        time.sleep(0.5)
