"""The wire format of protocol buffers, which ONNX files are written in.

See https://protobuf.dev/programming-guides/encoding. Only the outer message is decoded; a payload stays as it
is, and may be a message itself.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TypeVar

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5
"""Wire types."""

Buffer = TypeVar("Buffer", bytes, memoryview)


class MalformedError(ValueError):
    """The bytes are no message, or one that was cut short."""


def read_fields(data: Buffer) -> Iterator[tuple[int, int, Buffer | int]]:
    """Yield the fields of a message as (field number, wire type, payload).

    Args:
        data: The message. The payloads of a memoryview are views too, so that nothing is copied.

    Raises:
        MalformedError: If it is malformed.
    """
    position = 0
    while position < len(data):
        tag, position = _read_varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == VARINT:
            value, position = _read_varint(data, position)
            yield number, wire_type, value
            continue
        if wire_type == LENGTH_DELIMITED:
            length, position = _read_varint(data, position)
        elif wire_type in (FIXED32, FIXED64):
            length = 4 if wire_type == FIXED32 else 8
        else:
            raise MalformedError
        if number == 0 or position + length > len(data):
            raise MalformedError
        yield number, wire_type, data[position : position + length]
        position += length


def read_packed(data: bytes) -> list[int]:
    """Return the integers of a packed field."""
    values, position = [], 0
    while position < len(data):
        value, position = _read_varint(data, position)
        values.append(value)
    return values


def signed(value: int) -> int:
    """Return an integer field's value as int64, which is written as its two's complement."""
    return value - 2**64 if value >= 2**63 else value


def varint_field(number: int, value: int) -> bytes:
    """Return an integer field as bytes."""
    return _varint(number << 3 | VARINT) + _varint(value)


def float_field(number: int, value: float) -> bytes:
    """Return a float32 field as bytes."""
    return _varint(number << 3 | FIXED32) + struct.pack("<f", value)


def bytes_field(number: int, value: bytes) -> bytes:
    """Return a field of bytes, or of a message, as bytes."""
    return _varint(number << 3 | LENGTH_DELIMITED) + _varint(len(value)) + value


def text_field(number: int, value: str) -> bytes:
    """Return a field of text as bytes."""
    return bytes_field(number, value.encode())


def encode_field(number: int, wire_type: int, payload: bytes | int) -> bytes:
    """Return a field as bytes, from what `read_fields` yields."""
    if isinstance(payload, int):
        return varint_field(number, payload)
    if wire_type == LENGTH_DELIMITED:
        return bytes_field(number, payload)
    return _varint(number << 3 | wire_type) + payload


def _read_varint(data: bytes | memoryview, position: int) -> tuple[int, int]:
    value = 0
    # 64 bits take at most 10 bytes of 7.
    for shift, byte in zip(range(0, 70, 7), data[position : position + 10], strict=False):
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position + shift // 7 + 1
    raise MalformedError


def _varint(value: int) -> bytes:
    value %= 2**64
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
