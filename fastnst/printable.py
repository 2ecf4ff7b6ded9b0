"""Text from foreign files, made safe to print."""

from __future__ import annotations


def printable(text: str, most: int = 400) -> str:
    """Return text as one line that a terminal shows and does nothing else with.

    Control characters, such as those that begin a terminal's commands, become question marks, and spaces and
    line breaks become single spaces.

    Args:
        text: Any text.
        most: Its greatest length; what is longer ends in an ellipsis.
    """
    line = "".join(sign if sign.isprintable() else "?" for sign in " ".join(text[: 2 * most].split()))
    return line if len(line) <= most and len(text) <= 2 * most else f"{line[: most - 3]}..."
