"""One of several parts of a list of images, each for another machine."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from fastnst.errors import FastnstError
from fastnst.terminal import printable


@dataclass(frozen=True)
class Shard:
    """A part of a list of images that knows its members without the list.

    A hash of the path as the arguments spell it decides: with the same arguments, every machine finds the
    same parts, whatever the order of the list, what is done already, and which images come or go meanwhile.
    The parts have about the same size, not exactly.

    Attributes:
        number: Which part it is, from 1.
        count: The number of parts.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Return the part that a text such as `3/64` names, the third of 64.

        Raises:
            FastnstError: If it names none.
        """
        match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        number, count = (int(digits) for digits in match.groups()) if match is not None else (0, 0)
        if not 1 <= number <= count:
            given = printable(text, 40)
            raise FastnstError(
                f"--shard takes the part and the number of parts, 1/64 to 64/64, not {given!r}"
            )
        return cls(number, count)

    def holds(self, path: Path) -> bool:
        """Return whether a path belongs to this part: exactly one of `count` parts holds it."""
        # fsencode gives the file system's own bytes, whatever the machine's language.
        digest = hashlib.sha256(os.fsencode(path.as_posix())).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.number - 1
