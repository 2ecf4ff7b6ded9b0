"""Metadata read from the file's bytes, against the onnx package."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnst import FastnstError, Stylizer
from fastnst.model.metadata import read_metadata
from fastnst.model.protobuf import bytes_field, text_field, varint_field
from tests.fastnst import tiny_models


@given(pairs=st.dictionaries(st.text(max_size=300), st.text(max_size=300), max_size=8))
@settings(deadline=None, max_examples=40)
def test_reads_what_onnx_wrote(tmp_path_factory: pytest.TempPathFactory, pairs: dict[str, str]) -> None:
    path = tiny_models.invert(tmp_path_factory.mktemp("metadata") / "m.onnx", pairs)
    assert read_metadata(path) == pairs
    assert {entry.key: entry.value for entry in onnx.load(path).metadata_props} == pairs


@given(data=st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "m.onnx"
    path.write_bytes(data)
    with contextlib.suppress(FastnstError):
        assert isinstance(read_metadata(path), dict)


def test_a_cut_file_is_refused_unless_its_metadata_end_it(models: Path, tmp_path: Path) -> None:
    whole = (models / "invert.onnx").read_bytes()
    path = tmp_path / "cut.onnx"
    found = []
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        try:
            found.append(len(read_metadata(path)))
        except FastnstError:
            continue
    # Cut exactly between two fields, the file is a whole message again, of fewer pairs.
    assert found == sorted(found)
    assert len(found) <= len(tiny_models.CONTRACT) + 3


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FastnstError, match="does not exist"):
        read_metadata(tmp_path / "missing.onnx")
    with pytest.raises(FastnstError, match="is a folder"):
        read_metadata(tmp_path)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (bytes_field(14, text_field(1, "key")) * 300_000, "more than 10,000 metadata entries"),
        (bytes_field(14, text_field(2, "v" * 5_000_000)), "or 4,000,000 bytes of metadata"),
        (varint_field(99, 1) * 300_000, "more than 50,000 parts"),
        (bytes_field(7, bytes_field(1, b"") * 300_000), "more than 50,000 operations and weights"),
    ],
)
def test_a_model_of_far_more_parts_than_any_style_is_refused_unread(
    tmp_path: Path, data: bytes, says: str
) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(bytes_field(7, b"") + data)
    with pytest.raises(FastnstError, match=rf"m\.onnx has .*{says}.*: that is no style model"):
        read_metadata(path)


@pytest.mark.parametrize("value", ["1", "0", "", "draft", None])
def test_files_of_a_known_format_paint(value: str | None, tmp_path: Path) -> None:
    metadata = {} if value is None else {"fastnst.format": value}
    path = tiny_models.invert(tmp_path / "m.onnx", metadata)
    picture = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    np.testing.assert_array_equal(Stylizer(path, device="cpu")(picture), 255 - picture)
