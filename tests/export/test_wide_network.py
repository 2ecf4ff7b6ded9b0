"""A wide network from its checkpoint to a painted picture: whole, halved, in 8 bits, in tiles, in a video."""

import numpy as np
import onnx
import onnxruntime
import pytest

from export.int8 import style_file as int8_style
from export.int8.style_file import export_int8
from export.style_file import export_onnx
from export.verification import example_photos, stylize_in_pytorch
from fastnst import Stylizer
from train.network.shape import NETWORKS


@pytest.fixture(scope="module")
def network(wide):
    return wide.checkpoint.network()


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (33, 2), (31, 32), (40, 41), (131, 93)])
def test_every_size_gives_what_pytorch_gives(wide, network, size):
    session = onnxruntime.InferenceSession(wide.path, providers=["CPUExecutionProvider"])
    images = example_photos(2, *size, seed=4)
    stylized = session.run(None, {"image": images})[0]
    assert stylized.shape == images.shape
    # Norms divide a picture of one colour by nearly nothing: what they then show is each program's rounding.
    if size == (1, 1):
        return
    assert np.abs(stylized.astype(int) - stylize_in_pytorch(network, images)).max() <= 1


def test_the_file_says_its_shape_and_has_the_faster_forms(wide):
    assert wide.metadata["network.wide_blocks"] == "2"
    assert wide.metadata["network.grain"] == "512"
    operators = [node.op_type for node in onnx.load(wide.path).graph.node]
    assert "Resize" not in operators
    assert operators.count("ConvTranspose") == 3 * 2
    assert operators.count("DepthToSpace") == 1


def test_the_default_network_in_half_is_below_1_megabyte(write_checkpoint, tmp_path):
    path = write_checkpoint(tmp_path / "default.ckpt", shape=NETWORKS["wide"])
    half = export_onnx(path, tmp_path / "default.onnx", half=True)
    assert half.path.stat().st_size < 1_000_000
    assert half.verification.max_abs_error <= 2


def test_tiles_make_the_same_picture_as_the_whole(wide):
    image = example_photos(1, 210, 1300, seed=3)[0]
    image[:, 600:] = 240  # an even area, in which strokes lie where the grain of the canvas says
    whole = Stylizer(wide.path, device="cpu")(image)
    assert whole[:, 900:].std((0, 1)).max() > 1
    tiled = Stylizer(wide.path, device="cpu", tile=448)(image)
    assert np.abs(whole.astype(int) - tiled).max() <= 1


def test_a_video_is_stabilised(wide):
    stylizer = Stylizer(wide.path, device="cpu")
    before = example_photos(1, 64, 96, seed=4)[0]
    after = before.copy()
    after[:, 48:] = 255  # something large and bright enters on the right
    video = stylizer.for_video(0.1)
    first = video(before)
    assert np.abs(first.astype(int) - stylizer(before)).max() <= 1
    alone = np.abs(stylizer(before).astype(int) - stylizer(after))[:, :8].mean()
    assert np.abs(first.astype(int) - video(after))[:, :8].mean() < alone


def test_8_bits_are_near_and_leave_depthwise_kernels_as_they_are(wide, tmp_path, monkeypatch):
    monkeypatch.setattr(int8_style, "calibration_photos", lambda _: list(example_photos(3, 64, 80, seed=7)))
    style = export_int8(wide.path, tmp_path / "int8.onnx")
    assert style.psnr > 30
    stored = {tensor.name: tensor.data_type for tensor in onnx.load(style.path).graph.initializer}
    assert stored["network.draft.0.depthwise.weight"] == onnx.TensorProto.FLOAT
    for name in ("draft.0.expand", "draft.1.project", "revision.0.block.0.0", "to_eighth.0"):
        assert stored[f"network.{name}.weight.int8"] == onnx.TensorProto.INT8
