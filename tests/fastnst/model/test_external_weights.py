"""Weights in another file than the model: read beside it, refused elsewhere, with a true line for each."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, load, save

from fastnst import FastnstError, Stylizer
from tests.fastnst import tiny_models
from tests.fastnst.make_images import pixels

WHITE = np.full(3, 255, np.float32).tobytes()


def model_with_weights_in(path: Path, location: str) -> Path:
    """Write the inversion of a picture, whose one weight the file `location` holds."""
    path.parent.mkdir(exist_ok=True)
    model = load(tiny_models.invert_float(path))
    (weight,) = [tensor for tensor in model.graph.initializer if tensor.name == "total"]
    weight.Clear()
    weight.name, weight.data_type, weight.data_location = "total", TensorProto.FLOAT, TensorProto.EXTERNAL
    weight.dims.extend([3, 1, 1])
    weight.external_data.add(key="location", value=location)
    path.write_bytes(model.SerializeToString())
    return path


def test_weights_beside_the_model_are_read(tmp_path: Path) -> None:
    path = model_with_weights_in(tmp_path / "m" / "m.onnx", "weights.bin")
    (path.parent / "weights.bin").write_bytes(WHITE)
    np.testing.assert_array_equal(Stylizer(path, device="cpu")(pixels(5, 7)), 255 - pixels(5, 7))


@pytest.mark.parametrize(
    ("location", "says"),
    [
        ("../outside.bin", "'../outside.bin', outside of the model's own folder, .*: export it again"),
        ("{tmp}/outside.bin", "outside.bin', outside of the model's own folder, .*: export it again"),
        ("link.bin", "'link.bin', a link that leads out of the model's folder: put the file itself there"),
        ("lost.bin", "'lost.bin', which is missing: put that file into {tmp}/m"),
        ("folder", "'folder', which is a folder"),
        ("pipe", "'pipe', which is a pipe"),
        ("short.bin", "weights in another file, which cannot be read: copy or download both again"),
        ("", "does not say in which: export it again"),
        ("a\nb\x1b[2J", r"'a\\nb\\x1b\[2J', which is missing"),
    ],
)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_the_message_says_what_is_wrong_with_them(tmp_path: Path, location: str, says: str) -> None:
    path = model_with_weights_in(tmp_path / "m" / "m.onnx", location.format(tmp=tmp_path))
    (tmp_path / "outside.bin").write_bytes(WHITE)
    (path.parent / "link.bin").symlink_to("../outside.bin")
    (path.parent / "folder").mkdir()
    (path.parent / "short.bin").write_bytes(WHITE[:5])
    os.mkfifo(path.parent / "pipe")
    with pytest.raises(FastnstError, match=says.replace("{tmp}", str(tmp_path))) as error:
        Stylizer(path, device="cpu")
    assert len(str(error.value).splitlines()) == 1


def test_weights_that_were_cut_short(tmp_path: Path) -> None:
    path = tiny_models.invert_float(tmp_path / "m.onnx", shape=(1, 3, 48, 64))
    model = load(path)
    save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    (tmp_path / "weights.bin").write_bytes(b"")
    with pytest.raises(FastnstError, match=r"'weights\.bin', which is too short: copy or download it again"):
        Stylizer(path, device="cpu")
