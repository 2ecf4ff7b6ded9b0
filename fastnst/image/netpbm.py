"""PPM, PGM and PBM files with many comments, which Pillow would read byte by byte."""

from __future__ import annotations

import re

# Far more than any program writes.
_MOST_HEADER_BYTES = 65_536

# After the two letters come width, height, and, except for bitmaps, the greatest value.
_NUMBERS = {b"P1": 2, b"P2": 3, b"P3": 3, b"P4": 2, b"P5": 3, b"P6": 3, b"Pf": 3}
_PLAIN = (b"P1", b"P2", b"P3")

_SPACE = re.compile(rb"\s*")
_COMMENT = re.compile(rb"#[^\r\n]*")
_NUMBER = re.compile(rb"[^\s#]+")


def without_comments(data: bytes) -> bytes:
    """Return a file that Pillow reads in time linear in its size; others than Netpbm's come back as they are.

    Raises:
        ValueError: If the header is longer than 65,536 bytes.
    """
    kind = data[:2]
    if kind not in _NUMBERS:
        return data
    header = data[:_MOST_HEADER_BYTES]
    at = 2
    numbers: list[bytes] = []
    while len(numbers) < _NUMBERS[kind]:
        before = at
        for part in (_SPACE, _COMMENT, _NUMBER):
            if match := part.match(header, at):
                at = match.end()
                if part is _NUMBER:
                    numbers.append(match[0])
        if at == len(header) < len(data):
            raise ValueError(f"its header has more than {_MOST_HEADER_BYTES:,} bytes")
        if at == before:  # cut short: Pillow says so
            return data
    if kind not in _PLAIN:
        return data
    return kind + b"\n" + b" ".join(numbers) + _COMMENT.sub(b"", data[at:])
