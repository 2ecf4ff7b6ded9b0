"""Errors of other packages, in one line."""

from __future__ import annotations


def describe_error(error: Exception) -> str:
    """Return the first line of an error's message, shortened to fit a terminal."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    line = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return line if len(line) <= 200 else line[:199] + "…"
