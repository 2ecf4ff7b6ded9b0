"""What is left on the disk, and what is said, when an export does not go well."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import onnx
import pytest
import torch

from export import style_file as onnx_export
from export.metadata import is_current
from export.style_file import export_onnx
from fastnst import FastnstError


def test_an_export_replaces_the_old_file(traced, checkpoint, exported, tmp_path):
    path = tmp_path / "kandinsky.onnx"
    path.write_bytes(b"old")
    assert export_onnx(checkpoint, path).path == path
    assert path.read_bytes() == exported.path.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("old", [None, b"old"])
def test_a_file_that_fails_the_comparison_is_not_left(traced, checkpoint, tmp_path, old):
    bias = next(tensor for tensor in traced.graph.initializer if tensor.name == "network.to_rgb.bias")
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + 0.1, bias.name))
    path = tmp_path / "kandinsky.onnx"
    if old is not None:
        path.write_bytes(old)
    with pytest.raises(FastnstError, match="not the network of its checkpoint"):
        export_onnx(checkpoint, path)
    assert (path.read_bytes() if path.exists() else None) == old
    assert list(tmp_path.iterdir()) == ([] if old is None else [path])


@pytest.mark.parametrize(
    ("failure", "raised", "message"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt, None),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), FastnstError, "cannot write .*: No space left"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS)), FastnstError, "cannot write .*: Read-only file"),
    ],
)
def test_a_crash_while_writing_leaves_the_old_file(
    traced, checkpoint, tmp_path, monkeypatch, failure, raised, message
):
    path = tmp_path / "kandinsky.onnx"
    path.write_bytes(b"old")
    write_bytes = Path.write_bytes

    def fail_halfway(self, data):
        write_bytes(self, data[: len(data) // 2])
        raise failure

    monkeypatch.setattr(Path, "write_bytes", fail_halfway)
    with pytest.raises(raised, match=message):
        export_onnx(checkpoint, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def _missing(path, checkpoint):
    pass


def _garbage(path, checkpoint):
    path.write_bytes(b"not a checkpoint" * 100)


def _empty(path, checkpoint):
    path.touch()


def _truncated(path, checkpoint):
    path.write_bytes(checkpoint.read_bytes()[:5000])


def _foreign(path, checkpoint):
    torch.save({"state_dict": {}, "global_step": 3}, path)


def _newer(path, checkpoint):
    state = torch.load(checkpoint, weights_only=True)
    state["fastnst"]["format"] = 99
    torch.save(state, path)


def _of_another_network(path, checkpoint):
    state = torch.load(checkpoint, weights_only=True)
    state["fastnst"]["options"]["width"] = 8
    torch.save(state, path)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (_missing, "there is no checkpoint"),
        (_garbage, "damaged or no checkpoint"),
        (_empty, "damaged or no checkpoint"),
        (_truncated, "damaged or no checkpoint|cannot read the checkpoint"),
        (_foreign, "no checkpoint of fastnst"),
        (_newer, "written by a newer fastnst"),
        (_of_another_network, "holds the weights of another network"),
    ],
)
def test_a_bad_checkpoint_is_one_line(checkpoint, tmp_path, write, message):
    bad = tmp_path / "bad.ckpt"
    write(bad, checkpoint)
    with pytest.raises(FastnstError, match=message) as caught:
        export_onnx(bad, tmp_path / "bad.onnx")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "bad.onnx").exists()


def test_a_diverged_network_is_one_line(traced, checkpoint, tmp_path):
    state = torch.load(checkpoint, weights_only=True)
    state["state_dict"]["network.to_rgb.bias"].fill_(torch.inf).neg_()
    state["state_dict"]["network.downsampling.0.0.weight"].fill_(torch.nan)
    torch.save(state, tmp_path / "diverged.ckpt")
    with pytest.raises(FastnstError, match="no numbers"):
        export_onnx(tmp_path / "diverged.ckpt", tmp_path / "diverged.onnx")


def test_places_that_cannot_be_written_are_found_before_the_work(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_export, "build_model", lambda *_, **__: pytest.fail("too late"))
    with pytest.raises(FastnstError, match="there is no folder"):
        export_onnx(checkpoint, tmp_path / "missing" / "kandinsky.onnx")
    with pytest.raises(FastnstError, match="it is a folder"):
        export_onnx(checkpoint, tmp_path)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(FastnstError, match="is read-only"):
        export_onnx(checkpoint, tmp_path / "kandinsky.onnx")


def test_current_is_what_was_made_of_this_checkpoint_in_this_way(exported, checkpoint, tmp_path, monkeypatch):
    assert is_current(exported.path, checkpoint)
    assert not is_current(tmp_path / "missing.onnx", checkpoint)
    assert not is_current(exported.path, tmp_path / "missing.ckpt")
    assert not is_current(checkpoint, checkpoint)
    trained_on = tmp_path / "kandinsky.ckpt"
    trained_on.write_bytes(checkpoint.read_bytes())
    assert is_current(exported.path, trained_on)  # a copy is the same checkpoint
    state = torch.load(trained_on, weights_only=True)
    state["global_step"] += 1
    torch.save(state, trained_on)
    assert not is_current(exported.path, trained_on)
    monkeypatch.setattr("fastnst.__version__", "99.0")
    assert not is_current(exported.path, checkpoint)
