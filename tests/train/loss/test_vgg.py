import pickle
import socket
import threading
import types

import pytest
import safetensors.torch
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from fastnst.errors import FastnstError
from train.loss import vgg as vgg_features
from train.loss.vgg import DownloadError, VGGFeatures, layer_names, load_vgg_state, random_vgg_state

# The independent reference; it takes seconds to import.
torchvision_models = pytest.importorskip("torchvision.models")


class ConvolutionCounter(TorchFunctionMode):
    """Counts convolutions, and those that record a gradient."""

    def __init__(self):
        super().__init__()
        self.convolutions = self.with_gradient = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func in (torch.conv2d, nn.functional.conv2d):
            self.convolutions += 1
            self.with_gradient += result.requires_grad
        return result


@pytest.fixture(scope="module")
def state():
    return random_vgg_state("vgg16", ["relu2_2"])


def shallow(state, layers=("relu1_2", "relu2_2")):
    return VGGFeatures("vgg16", layers, state)


def test_layers_are_named_as_in_the_papers():
    assert layer_names("vgg16") == (
        *("relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1", "relu3_2", "relu3_3"),
        *("relu4_1", "relu4_2", "relu4_3", "relu5_1", "relu5_2", "relu5_3"),
    )
    assert set(layer_names("vgg19")) - set(layer_names("vgg16")) == {"relu3_4", "relu4_4", "relu5_4"}


@pytest.mark.parametrize(
    ("architecture", "entry"),
    [("vgg16", "VGG16_Weights.IMAGENET1K_FEATURES"), ("vgg19", "VGG19_Weights.IMAGENET1K_V1")],
)
@torch.no_grad()
def test_every_layer_agrees_with_torchvision(architecture, entry):
    layers = layer_names(architecture)
    weights = random_vgg_state(architecture, layers, seed=3)
    generator = torch.Generator().manual_seed(4)
    for name, value in weights.items():  # trained biases are not 0
        if name.endswith("bias"):
            value.normal_(generator=generator)
    with torch.device("meta"):  # the classifier's 120 million weights are of no interest
        reference = getattr(torchvision_models, architecture)(weights=None).features
    reference.load_state_dict({k.removeprefix("features."): v for k, v in weights.items()}, assign=True)
    transform = torchvision_models.get_weight(entry).transforms()
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (transform.mean, transform.std))
    image = torch.rand(2, 3, 37, 33, generator=generator)
    expected, x = [], (image - mean) / std
    for module in reference:
        x = nn.functional.relu(x) if isinstance(module, nn.ReLU) else module(x)
        if isinstance(module, nn.ReLU):
            expected.append(x)
    found = VGGFeatures(architecture, layers, weights)(image)
    assert tuple(found) == layers
    for layer, activation in zip(layers, expected, strict=True):
        torch.testing.assert_close(found[layer], activation, rtol=1e-3, atol=1e-3 * activation.std().item())


@pytest.mark.parametrize(
    ("asked", "convolutions"), [(None, 4), (["relu2_2"], 4), (["relu1_2"], 2), (["relu1_1"], 1)]
)
def test_no_layer_past_the_deepest_wanted_one_runs(state, asked, convolutions):
    features = shallow(state, ["relu1_1", "relu1_2", "relu2_2"])
    with ConvolutionCounter() as counter:
        found = features(torch.rand(1, 3, 8, 8), asked)
    assert counter.convolutions == convolutions
    assert set(found) == set(asked or features.layers)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 2), (5, 5)])
def test_tiny_images_have_features(size):
    layers = layer_names("vgg16")[:8]
    found = VGGFeatures("vgg16", layers, random_vgg_state("vgg16", layers))(torch.rand(1, 3, *size))
    assert all(min(value.shape) >= 1 and torch.isfinite(value).all() for value in found.values())


def test_gradients_flow_to_the_image_and_never_to_the_weights(state):
    given = {name: value.clone().requires_grad_() for name, value in state.items()}
    features = shallow(given)
    image = torch.rand(1, 3, 8, 8, requires_grad=True)
    sum(value.sum() for value in features(image).values()).backward()
    assert image.grad is not None
    assert image.grad.abs().max() > 0
    assert all(value.grad is None for value in given.values())


def test_it_stays_out_of_the_state_of_a_module_that_holds_it(state):
    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = shallow(state)

    assert not isinstance(shallow(state), nn.Module)
    assert not Holder().state_dict()
    assert not list(Holder().parameters())


def test_an_activation_keeps_its_values_when_deeper_layers_run(state):
    image = torch.rand(1, 3, 8, 8)
    features = shallow(state)
    assert torch.equal(features(image)["relu1_2"], features(image, ["relu1_2"])["relu1_2"])


def test_asking_for_a_layer_not_named_at_construction_is_an_error(state):
    with pytest.raises(KeyError, match="relu1_1"):
        shallow(state)(torch.rand(1, 3, 8, 8), ["relu1_1"])


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_that_reaches_the_layers_asked_for_is_enough(tmp_path, state, suffix):
    path = tmp_path / f"partial{suffix}"
    if suffix == ".pth":
        torch.save(state, path)
    else:
        safetensors.torch.save_file(state, path)
    loaded = load_vgg_state("vgg16", path)
    image = torch.rand(1, 3, 8, 8)
    assert torch.equal(shallow(loaded)(image)["relu2_2"], shallow(state)(image)["relu2_2"])
    with pytest.raises(FastnstError, match=r"do not reach relu3_1, relu3_2; .*features\.12\.weight") as error:
        VGGFeatures("vgg16", ["relu1_2", "relu3_2"], loaded)
    assert "\n" not in str(error.value)


def test_unknown_layers_and_networks_are_named_with_those_that_exist(state):
    with pytest.raises(FastnstError, match=r"no layer 'relu3_4'; it has relu1_1, .*relu5_3"):
        VGGFeatures("vgg16", ["relu3_4"], state)
    with pytest.raises(FastnstError, match="no loss network 'resnet50'; choose one of vgg16, vgg19"):
        VGGFeatures("resnet50", ["relu1_1"], state)


def test_weights_of_another_network_are_told_by_their_shape(state):
    other = dict(state, **{"features.2.weight": torch.zeros(128, 64, 3, 3)})
    with pytest.raises(FastnstError, match=r"features\.2 has the shape \(128, 64, 3, 3\)"):
        shallow(other)
    without_bias = {name: value for name, value in state.items() if name != "features.2.bias"}
    with pytest.raises(FastnstError, match=r"features\.2"):
        shallow(without_bias)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"no weights at all", b"half", pickle.dumps({"a": print})])
def test_files_that_hold_no_weights_are_one_line(tmp_path, state, suffix, content):
    path = tmp_path / f"weights{suffix}"
    if content == b"half":
        torch.save(state, path) if suffix == ".pth" else safetensors.torch.save_file(state, path)
        content = path.read_bytes()[: path.stat().st_size // 2]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FastnstError, match="cannot read the loss network's weights") as error:
        load_vgg_state("vgg16", path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("other", [torch.zeros(3), {"epoch": 3}, [1, 2]])
def test_files_of_something_else_are_one_line(tmp_path, other):
    torch.save(other, tmp_path / "other.pth")
    with pytest.raises(FastnstError, match="does not hold weights by name"):
        load_vgg_state("vgg16", tmp_path / "other.pth")


def test_a_failed_download_says_how_to_do_without(monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    monkeypatch.setattr(vgg_features, "_check_reachable", lambda url: None)
    with pytest.raises(FastnstError, match=r"vgg16.*no network.*--loss-network-weights"):
        load_vgg_state("vgg16")


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A server in the place of torchvision's, which says what it is told to, or nothing."""
    monkeypatch.setattr(vgg_features, "_ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))  # with no weights in it
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/vgg.pth"
        entry = types.SimpleNamespace(
            url=url, get_state_dict=lambda **_: {"features.0.weight": torch.ones(1)}
        )
        monkeypatch.setattr("torchvision.models.get_weight", lambda name: entry)

        def answer(line):
            def serve():
                connection, _ = listening.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(line + b"\r\n\r\n")

            threading.Thread(target=serve, daemon=True).start()

        yield answer


def test_a_server_that_does_not_answer_is_given_up_at_once(server, monkeypatch):
    with pytest.raises(DownloadError, match=r"no answer in 0\.5 s|timed out") as error:
        load_vgg_state("vgg16")
    assert "\n" not in str(error.value)
    assert error.value.reason in str(error.value)


@pytest.mark.parametrize("line", [b"HTTP/1.0 200 OK", b"HTTP/1.0 403 Forbidden"])
def test_a_server_that_answers_is_asked_for_the_weights(server, line):
    server(line)
    assert list(load_vgg_state("vgg16")) == ["features.0.weight"]
    assert socket.getdefaulttimeout() is None


@pytest.fixture
def kept(tmp_path):
    """A file in PyTorch's cache where the server's would be."""
    (tmp_path / "checkpoints").mkdir()
    path = tmp_path / "checkpoints" / "vgg.pth"
    path.touch()
    return path


def test_weights_downloaded_before_need_no_network(server, kept):
    assert list(load_vgg_state("vgg16")) == ["features.0.weight"]


@pytest.mark.parametrize("error", [EOFError("Ran out of input"), RuntimeError("half a file")])
def test_damaged_weights_in_the_cache_are_one_line_that_says_what_to_do(server, kept, monkeypatch, error):
    def fail(**_):
        raise error

    entry = types.SimpleNamespace(url="http://127.0.0.1/vgg.pth", get_state_dict=fail)
    monkeypatch.setattr("torchvision.models.get_weight", lambda name: entry)
    with pytest.raises(FastnstError, match=r"vgg\.pth is damaged: delete it") as found:
        load_vgg_state("vgg16")
    assert not isinstance(found.value, DownloadError)  # for which `auto` would take the compact network


def test_a_download_says_nothing_on_standard_output(monkeypatch, capsys):
    monkeypatch.setattr(vgg_features, "_check_reachable", lambda url: None)
    entry = types.SimpleNamespace(
        url="http://127.0.0.1/never_downloaded.pth",
        get_state_dict=lambda **_: print("Downloading") or {"features.0.weight": torch.ones(1)},
    )
    monkeypatch.setattr("torchvision.models.get_weight", lambda name: entry)
    load_vgg_state("vgg16")
    assert capsys.readouterr() == ("", "Downloading\n")


def test_licences_of_the_weights_are_known():
    assert all(architecture.licence for architecture in vgg_features.ARCHITECTURES.values())


def test_under_autocast_the_features_are_those_of_rounded_weights():
    features = VGGFeatures("vgg16", ["relu2_1"], random_vgg_state("vgg16", ["relu2_1"]))
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    exact = features(image)["relu2_1"]
    with torch.autocast("cpu", torch.bfloat16):
        rounded = features(image)["relu2_1"]
        again = features.to("cpu")(image)["relu2_1"]
    assert (exact.dtype, rounded.dtype) == (torch.float32, torch.bfloat16)
    assert torch.equal(rounded, again)
    assert 0 < (rounded.float() - exact).norm() < 0.02 * exact.norm()
    assert torch.equal(features(image)["relu2_1"], exact)  # the weights themselves are as they were
