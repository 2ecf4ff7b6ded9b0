import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from fastnst.errors import FastnstError
from fastnst.model.graph import Node, OnnxGraph
from tests.fastnst import tiny_models
from tests.fastnst.make_images import pixels


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return tiny_models.network(tmp_path_factory.mktemp("graph") / "network.onnx").read_bytes()


def run(data, names, feed):
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return session.run(names, feed)


def test_what_is_read_and_written_is_the_same_model(network):
    assert onnx.load_from_string(OnnxGraph(network).encode()) == onnx.load_from_string(network)


def test_nodes_are_those_that_onnx_reads(network):
    expected = onnx.load_from_string(network).graph
    graph = OnnxGraph(network)
    assert graph.outputs == ["stylized"]
    assert graph.initializers == {tensor.name for tensor in expected.initializer}
    assert len(graph.nodes) == len(expected.node)
    for node, other in zip(graph.nodes, expected.node, strict=True):
        assert (node.op_type, node.inputs, node.outputs) == (
            other.op_type,
            list(other.input),
            list(other.output),
        )
        for attribute in other.attribute:
            value = onnx.helper.get_attribute_value(attribute)
            if isinstance(value, list):
                assert list(node.attributes[attribute.name]) == value
            elif not isinstance(value, bytes):
                assert node.attributes[attribute.name] == value


def test_nodes_and_constants_that_are_added_run(network):
    graph = OnnxGraph(network)
    constant = graph.add_initializer("hundred", np.array([100.0], np.float32))
    last = graph.nodes.pop()
    graph.nodes += [
        Node("Mul", [last.inputs[0], constant], ["times"]),
        Node("ReduceMax", ["times"], ["most"], {"keepdims": 0}),
        Node("LeakyRelu", ["most"], ["leaked"], {"alpha": 0.5}),
        Node("Transpose", ["times"], ["turned"], {"perm": (3, 2, 1, 0)}),
    ]
    graph.cut({}, ["times", "leaked", "turned"])
    image = pixels(9, 11)[np.newaxis]
    times, leaked, turned = run(graph.encode(), None, {"image": image})
    (whole,) = run(network, None, {"image": image})
    np.testing.assert_array_equal(times, 100.0 * whole)
    np.testing.assert_array_equal(turned, times.transpose(3, 2, 1, 0))
    assert leaked == times.max()


def test_a_graph_cut_in_two_gives_what_the_whole_gives(network):
    image = pixels(16, 20)[np.newaxis]
    (whole,) = run(network, None, {"image": image})
    first, second = OnnxGraph(network), OnnxGraph(network)
    first.cut({}, ["d", "size"])
    session = onnxruntime.InferenceSession(first.encode(), providers=["CPUExecutionProvider"])
    between = session.run(["d", "size"], {"image": image})
    second.cut({node.name: node.type for node in session.get_outputs()}, ["stylized"])
    assert "a.kernel" in first.initializers
    assert "a.kernel" not in second.initializers
    (result,) = run(second.encode(), None, dict(zip(["d", "size"], between, strict=True)))
    np.testing.assert_array_equal(result, whole)


def test_negative_integers_and_packed_fields_are_read():
    node = onnx.helper.make_node("Concat", ["a", "b"], ["c"], axis=-1)
    graph = onnx.helper.make_graph(
        [node],
        "packed",
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 2]) for name in "ab"],
        [onnx.helper.make_tensor_value_info("c", onnx.TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.zeros((2, 3), np.float32), "unused")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    read = OnnxGraph(model.SerializeToString())
    assert read.nodes[0].attributes == {"axis": -1}
    assert read.initializers == {"unused"}


def test_what_is_no_model_is_one_line(network):
    for data in (b"", b"hello", network[:200], network[:-1], b"\x3a\x05abc"):
        with pytest.raises(FastnstError, match="no ONNX model"):
            OnnxGraph(data)
