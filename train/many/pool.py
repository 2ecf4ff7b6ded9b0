"""All styles through the places of this machine: each place trains one after another."""

from __future__ import annotations

import queue
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import Any

from train.many.children import Children
from train.many.stop_signals import StopSignals
from train.many.style_run import StyleRun
from train.many.view import View

_POLL_SECONDS = 0.1


def train_all(
    runs: Sequence[StyleRun], training: Sequence[str], places: Sequence[Mapping[str, str]], view: View
) -> bool:
    """Train and export styles, as many at once as there are places.

    A signal stops all trainings, each of which saves, and starts no more. The main thread must call this.

    Args:
        runs: The styles, which are changed.
        training: The options of every training.
        places: What each place sets in the environment of its processes.
        view: Shows the progress.

    Returns:
        Whether a signal came.
    """
    told: queue.SimpleQueue[tuple[StyleRun, dict[str, Any]]] = queue.SimpleQueue()
    free: queue.SimpleQueue[Mapping[str, str]] = queue.SimpleQueue()
    for place in places:
        free.put(place)
    children, signals = Children(), StopSignals()

    def run(style: StyleRun) -> None:
        place = free.get()
        try:
            style.run(training, place, children, lambda run, event: told.put((run, event)))
        finally:
            free.put(place)

    def show() -> None:
        while not told.empty():
            view.tell(*told.get())
        view.draw()

    with signals.counted(), ThreadPoolExecutor(len(places)) as threads:
        waiting = {threads.submit(run, style) for style in runs}
        while waiting:
            done, waiting = wait(waiting, _POLL_SECONDS, FIRST_COMPLETED)
            children.stop(signals.count)
            show()
            for future in done:
                future.result()  # raises what should not have happened
    show()
    return signals.count > 0
