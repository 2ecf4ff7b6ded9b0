"""The wire format, against what the field encoders and the onnx package write."""

from __future__ import annotations

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnst.model.protobuf import (
    MalformedError,
    bytes_field,
    encode_field,
    float_field,
    read_fields,
    read_packed,
    signed,
    varint_field,
)


@given(number=st.integers(1, 2**29 - 1), value=st.integers(-(2**63), 2**63 - 1), data=st.binary(max_size=300))
def test_what_is_written_is_read(number: int, value: int, data: bytes) -> None:
    message = varint_field(number, value) + bytes_field(number, data) + float_field(number, 0.5)
    fields = list(read_fields(message))
    (_, _, integer), (_, _, payload), (_, _, half) = fields
    assert isinstance(integer, int)
    assert (signed(integer), payload, half) == (value, data, b"\0\0\0?")
    assert {found for found, _, _ in fields} == {number}
    assert b"".join(encode_field(*field) for field in fields) == message
    assert [bytes(view) for _, _, view in read_fields(memoryview(message)) if not isinstance(view, int)] == [
        data,
        half,
    ]


def test_fields_are_those_that_onnx_writes() -> None:
    tensor = onnx.TensorProto(dims=[1, 300], data_type=7, name="weight")
    assert [(number, value) for number, _, value in read_fields(tensor.SerializeToString())] == [
        (1, 1),
        (1, 300),
        (2, 7),
        (8, b"weight"),
    ]
    assert read_packed(b"\x01\xac\x02") == [1, 300]


@pytest.mark.parametrize(
    "data",
    [
        b"\x80",  # a tag without an end
        b"\x08" + b"\x80" * 10 + b"\x01",  # an integer of more than 64 bits
        b"\x0a\x05abc",  # a payload that is cut short
        b"\x0d\x00\x00",  # a float that is cut short
        b"\x0b",  # a group, which ONNX does not have
        b"\x02\x00",  # field 0
    ],
)
def test_malformed_messages_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        list(read_fields(data))
