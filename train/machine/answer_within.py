"""One limit for a question to a server, whatever it waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable


def answer_within(seconds: float, question: Callable[[], object]) -> None:
    """Ask a server something, and give up after some seconds.

    Behind a firewall that drops packets, each address of a server would cost its own long wait, and the
    look-up of its name another: hence a thread, and one limit for all of it.

    Args:
        seconds: The limit.
        question: Asks, and raises whatever it likes.

    Raises:
        TimeoutError: If there is no answer in time. The question goes on in the background.
        Exception: What the question raised.
    """
    failures: list[Exception] = []

    def ask() -> None:
        try:
            question()
        except Exception as error:  # noqa: BLE001 - raised where the answer is waited for
            failures.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    if asking.is_alive():
        raise TimeoutError(f"no answer in {seconds:g} s")
    if failures:
        raise failures[0]
