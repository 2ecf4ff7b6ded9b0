import pickle

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F

from fastnst.errors import FastnstError
from tests.train.loss.test_vgg import ConvolutionCounter
from train.config import DEFAULT_STYLE_LAYERS, TrainingConfig
from train.loss.compact import (
    COMPACT_LAYERS,
    COMPACT_WEIGHTS,
    CompactFeatures,
    head_channels,
    load_compact_state,
    random_compact_state,
    weight_shapes,
)
from train.loss.vgg import VGGFeatures, random_vgg_state


@pytest.fixture(scope="module")
def features():
    return CompactFeatures(COMPACT_LAYERS, random_compact_state())


def test_it_answers_for_the_layers_that_training_compares_by_default():
    assert COMPACT_LAYERS == ("relu1_2", "relu2_2", "relu3_3", "relu3_4", "relu4_1")
    assert {*TrainingConfig.content_layers, *DEFAULT_STYLE_LAYERS["compact"]} == set(COMPACT_LAYERS)


@pytest.mark.parametrize("size", [(16, 24), (13, 9), (1, 5)])
@torch.no_grad()
def test_its_maps_have_the_sizes_of_vggs(features, size):
    image = torch.rand(2, 3, *size)
    found = features(image)
    vgg = VGGFeatures("vgg19", COMPACT_LAYERS, random_vgg_state("vgg19", COMPACT_LAYERS))(image)
    for layer in COMPACT_LAYERS:
        assert found[layer].shape == (2, head_channels(layer), *vgg[layer].shape[2:])


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2), (7, 65)])
def test_images_of_any_size_have_all_layers_and_gradients(features, size):
    image = torch.rand(1, 3, *size, requires_grad=True)
    found = features(image)
    assert all(min(found[layer].shape) >= 1 and found[layer].isfinite().all() for layer in COMPACT_LAYERS)
    sum(value.square().sum() for value in found.values()).backward()
    assert image.grad.abs().sum() > 0


@torch.no_grad()
def test_the_features_are_those_of_the_convolutions_written_out():
    state = random_compact_state(seed=3)
    for name in state:  # trained biases are not 0
        if name.endswith("bias"):
            state[name] = torch.randn(state[name].shape, generator=torch.Generator().manual_seed(len(name)))

    def convolve(x, name, padding=1):
        return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=padding)

    image = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(x).view(3, 1, 1) for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    x = (image - mean) / std
    for name in ("conv1_1", "conv1_2"):
        x = F.relu(convolve(x, name))
    x = F.max_pool2d(x, 2)
    for name in ("conv2_1", "conv2_2"):
        x = F.relu(convolve(x, name))
    found = CompactFeatures(["relu2_2"], state)(image)["relu2_2"]
    torch.testing.assert_close(found, convolve(x, "relu2_2", padding=0), rtol=1e-4, atol=1e-5)


def test_no_convolution_past_the_deepest_layer_is_run(features):
    with ConvolutionCounter() as counter:
        features(torch.rand(1, 3, 16, 16), ["relu2_2"])
    assert counter.convolutions == 4 + 1  # the trunk's, and the layer's own
    assert counter.with_gradient == 0


def test_under_autocast_the_features_are_of_its_precision(features):
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    exact = features(image)["relu4_1"]
    with torch.autocast("cpu", torch.bfloat16):
        rounded = features(image)["relu4_1"]
    assert (exact.dtype, rounded.dtype) == (torch.float32, torch.bfloat16)
    assert (rounded.float() - exact).norm() < 0.03 * exact.norm()


def test_other_layers_are_named_with_those_that_exist():
    with pytest.raises(FastnstError, match=r"compact has no layer 'relu4_3'; it has relu1_2, .*relu4_1$"):
        CompactFeatures(["relu1_2", "relu4_3"], random_compact_state())
    with pytest.raises(KeyError, match="relu3_3"):
        CompactFeatures(["relu1_2"], random_compact_state())(torch.rand(1, 3, 8, 8), ["relu3_3"])


@pytest.mark.parametrize("content", [None, b"", b"no weights", "half", pickle.dumps({"a": print})])
def test_a_missing_or_damaged_file_is_one_line(tmp_path, content):
    path = tmp_path / "compact.safetensors"
    if content == "half":
        safetensors.torch.save_file(random_compact_state(), path)
        content = path.read_bytes()[: path.stat().st_size // 2]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FastnstError, match="cannot read the compact loss network") as error:
        load_compact_state(path)
    assert ("missing" if content is None else "damaged") in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_of_other_weights_is_one_line():
    state = random_compact_state()
    for other in (
        {name: value for name, value in state.items() if name != "relu3_4.bias"},
        state | {"relu3_4.bias": torch.zeros(7)},
    ):
        with pytest.raises(FastnstError, match=r"relu3_4\.bias .*\(64,\) is needed"):
            CompactFeatures(["relu1_2"], other)


def test_the_weights_that_come_with_the_package_are_small_and_say_whose_they_are():
    assert COMPACT_WEIGHTS.stat().st_size < 2e6
    state = load_compact_state()
    assert {name: tuple(value.shape) for name, value in state.items()} == weight_shapes()
    assert {value.dtype for value in state.values()} == {torch.float16}
    with safetensors.safe_open(COMPACT_WEIGHTS, "pt") as file:
        assert "Visual Geometry Group, University of Oxford" in file.metadata()["licence"]


@torch.no_grad()
def test_the_weights_that_come_with_the_package_tell_images_apart():
    features = CompactFeatures(COMPACT_LAYERS, load_compact_state())
    generator = torch.Generator().manual_seed(0)
    smooth = F.interpolate(torch.rand(1, 3, 6, 6, generator=generator), size=(96, 96), mode="bilinear")
    noise = torch.rand(1, 3, 96, 96, generator=generator)
    nearly = (smooth + 0.02 * noise).clamp(0, 1)
    for layer in COMPACT_LAYERS:
        one, other, far = (features(image)[layer] for image in (smooth, nearly, noise))
        assert (one - other).norm() < 0.7 * (one - far).norm(), layer
