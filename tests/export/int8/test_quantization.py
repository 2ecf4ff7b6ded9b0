"""The int8 form of a network: near the float one, integers where ONNX Runtime multiplies, safe on any CPU."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, numpy_helper
from PIL import Image

from export.graph.build import store_weights_as_float16
from export.int8.calibration import measure_ranges
from export.int8.quantization import quantize
from export.verification import check_contract, example_photos
from fastnst import freeze

LEAST = 36  # dB
PHOTOS = list(example_photos(3, 64, 80, seed=7))


@pytest.fixture(scope="module")
def floats(exported):
    return onnx.load(exported.path)


def copy_of(model):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def quantized(model):
    result = copy_of(model)
    quantize(result, lambda names: measure_ranges(model, names, PHOTOS))
    return result


@pytest.fixture(scope="module")
def int8(floats):
    return quantized(floats)


def run(model, images):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": images})[0]


def psnr(found, expected):
    return 10 * np.log10(255**2 / np.square(found.astype(float) - expected).mean())


def stored(model):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


@pytest.mark.parametrize("size", [(1, 1), (3, 7), (17, 16), (61, 93)])
def test_its_pictures_are_near_the_float_networks_at_any_size(floats, int8, size):
    check_contract(int8.SerializeToString())
    images = example_photos(2, *size, seed=1)
    found = run(int8, images)
    assert found.shape == images.shape
    # A single pixel is one colour, of which the norms leave nothing to compare.
    assert min(size) == 1 or psnr(found, run(floats, images)) > LEAST


@pytest.mark.parametrize("change", [lambda photo: photo // 8, lambda photo: photo // 8 + 110])
def test_a_dark_or_hazy_photo_is_as_near(floats, int8, change):
    """Of which the first layer, before any norm, sees only a few steps of a byte."""
    images = change(example_photos(1, 61, 93, seed=2))
    assert psnr(run(int8, images), run(floats, images)) > LEAST


def test_onnx_runtime_multiplies_integers(int8, tmp_path):
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(int8.SerializeToString(), options, providers=["CPUExecutionProvider"])
    operators = [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]
    assert sum(operator in ("QLinearConv", "NhwcQLinearConv") for operator in operators) == 4
    assert operators.count("Conv") == 2 + 2  # the first and the last, and the two that smooth
    assert operators.count("ConvTranspose") == 2 * 2  # the two that enlarge


def test_no_sum_of_two_products_overflows_16_bits(int8):
    kernels = [array for array in stored(int8).values() if array.dtype == np.int8 and array.ndim == 4]
    assert len(kernels) == 4
    for kernel in kernels:
        assert np.abs(kernel.astype(int)).max() == 63  # in each, so that no step is wasted
        assert 2 * 255 * np.abs(kernel.astype(int)).max() <= np.iinfo(np.int16).max


def test_the_kernels_are_the_trained_ones(floats, int8):
    name = "network.residuals.0.block.0.0.weight"
    trained, steps = stored(floats)[name], stored(int8)[f"{name}.int8"]
    largest = np.abs(trained).max((1, 2, 3), keepdims=True)
    np.testing.assert_allclose(steps * largest / 63, trained, atol=float(largest.max()) / 126)


def test_float_kernels_go_but_the_first_the_enlarging_and_the_last(floats, int8):
    names = {tensor.name for tensor in int8.graph.initializer if tensor.data_type == TensorProto.FLOAT}
    kernels = {name for name in names if name.startswith("network.") and stored(int8)[name].ndim == 4}
    enlarging = {"network.upsampling.1.0.weight", "network.upsampling.3.0.weight"}
    assert kernels == {"network.downsampling.0.0.weight", "network.to_rgb.weight"} | enlarging


def test_every_node_has_a_name_of_its_own(floats):
    unnamed = copy_of(floats)  # as in the files of before nodes had names
    for node in unnamed.graph.node:
        node.ClearField("name")
    names = [node.name for node in quantized(unnamed).graph.node]
    assert all(names)
    assert len(set(names)) == len(names)


def test_float16_weights_are_quantised_too(floats, int8):
    half = copy_of(floats)
    store_weights_as_float16(half)
    images = example_photos(1, 61, 93, seed=1)
    assert psnr(run(quantized(half), images), run(floats, images)) > LEAST


def test_the_same_model_always_gives_the_same_bytes(floats, int8):
    again = quantized(floats)
    assert again.SerializeToString(deterministic=True) == int8.SerializeToString(deterministic=True)


def test_ranges_that_differ_in_their_last_bits_give_the_same_bytes(floats, int8):
    """As on a processor that adds up in another order."""
    elsewhere = copy_of(floats)

    def measure(names):
        ranges = measure_ranges(floats, names, PHOTOS)
        return {
            name: type(each)(*(side * np.float32(1 + 2e-7) for side in each)) for name, each in ranges.items()
        }

    quantize(elsewhere, measure)
    assert elsewhere.SerializeToString(deterministic=True) == int8.SerializeToString(deterministic=True)


def test_a_channel_that_is_never_used_does_no_harm(floats):
    dead = copy_of(floats)
    for tensor in dead.graph.initializer:
        if tensor.name == "network.residuals.0.block.0.0.weight":
            kernel = numpy_helper.to_array(tensor).copy()
            kernel[1] = 0
            tensor.CopyFrom(numpy_helper.from_array(kernel, tensor.name))
    images = example_photos(1, 61, 93, seed=1)
    assert psnr(run(quantized(dead), images), run(dead, images)) > LEAST


def test_what_is_no_style_network_is_refused(floats):
    single = copy_of(floats)
    convolution = next(node for node in single.graph.node if node.op_type == "Conv")
    single.graph.ClearField("node")
    single.graph.node.append(convolution)
    with pytest.raises(ValueError, match="more than 1 convolutions"):
        quantized(single)


def test_a_frozen_style_whose_convolutions_follow_each_other_and_share_kernels(tmp_path):
    Image.fromarray(example_photos(1, 80, 96, seed=3)[0]).save(tmp_path / "painting.png")
    floats = onnx.load_from_string(freeze(tmp_path / "painting.png", style_size=96))
    int8 = quantized(floats)
    check_contract(int8.SerializeToString())
    images = example_photos(1, 61, 93, seed=1)
    assert psnr(run(int8, images), run(floats, images)) > 30
