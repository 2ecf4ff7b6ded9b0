"""Damage to the bytes of a file, the same for the same state of a generator."""

from __future__ import annotations

import random
import struct

_NUMBERS = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 2**31 - 1, 2**31, 2**32 - 1)
# A varint of ten bytes is protobuf's longest.
_VARINTS = (b"\x00", b"\x7f", b"\xff\xff\x03", b"\xff\xff\xff\xff\x0f", b"\xff" * 9 + b"\x01", b"\xff" * 12)


def damaged(data: bytes, chance: random.Random, header: int = 400) -> bytes:
    """Return the bytes with one to six things done to them, half of those in the first `header` bytes."""
    result = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        if not result:
            break
        end = min(header, len(result)) if chance.random() < 0.5 else len(result)
        at = chance.randrange(end)
        kind = chance.randrange(9)
        if kind == 0:
            result[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            result[at] = chance.randrange(256)
        elif kind == 2:
            order, size = chance.choice("<>"), chance.choice("HIQ")
            number = chance.choice(_NUMBERS) % (1 << 8 * struct.calcsize(size))
            result[at : at + struct.calcsize(size)] = struct.pack(order + size, number)
        elif kind == 3:
            del result[at:]
        elif kind == 4:
            del result[at : at + chance.choice((1, 2, 4, 16, 64))]
        elif kind == 5:
            result[at:at] = chance.randbytes(chance.choice((1, 2, 4, 16)))
        elif kind == 6:
            part = result[at : at + chance.choice((2, 8, 32, 128))]
            there = chance.randrange(len(result))
            result[there:there] = part * chance.choice((1, 1, 20))
        elif kind == 7:
            result[at : at + 1] = chance.choice(_VARINTS)
        else:
            result[at : at + 16] = bytes(len(result[at : at + 16]))
    return bytes(result)
