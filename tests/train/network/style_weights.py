"""A small network, style files that hold its weights and no graph that uses them, and a comparison."""

import torch
from onnx import helper, numpy_helper

from train.network.build import build_network
from train.network.shape import NetworkShape

# The wide network, but for its size.
WIDE = NetworkShape(width=4, residual_blocks=1, outer_kernel_size=5, wide_blocks=1)


def make_network(seed=0, shape=WIDE, **changes):
    torch.manual_seed(seed)
    shape = shape._replace(**changes)
    network = build_network(shape)
    network.shape = shape
    for name, parameter in network.named_parameters():
        if parameter.ndim == 1:  # as after training: no two norms are alike
            torch.nn.init.uniform_(parameter, *((0.5, 2.0) if name.endswith("weight") else (-0.5, 0.5)))
    return network.eval()


def metadata_of(network):
    shape = {f"network.{key}": str(value) for key, value in network.shape._asdict().items()}
    return {"fastnst.format": "1", **shape}


def write_weights(path, network, metadata=None):
    """Write an ONNX file that has the weights of an exported style, and no graph that uses them."""
    tensors = [
        numpy_helper.from_array(value.numpy(), f"network.{name}")
        for name, value in network.state_dict().items()
    ]
    model = helper.make_model(helper.make_graph([], "weights", [], [], tensors))
    helper.set_model_props(model, metadata_of(network) if metadata is None else metadata)
    path.write_bytes(model.SerializeToString())
    return path


def assert_weights(weights, network, shape, **tolerance):
    """The weights that were read are the network's."""
    expected = network.state_dict()
    assert weights.state.keys() == expected.keys()
    assert weights.shape == shape
    for name, value in weights.state.items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, expected[name], **{"rtol": 0, "atol": 0} | tolerance)
