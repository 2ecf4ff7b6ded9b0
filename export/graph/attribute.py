"""Reading the attributes of an ONNX node."""

from __future__ import annotations

from typing import Any

import onnx
from onnx import helper


def attribute(node: onnx.NodeProto, name: str) -> Any:
    """Return a node's attribute as a Python value, text as bytes; None if the node lacks it."""
    return next((helper.get_attribute_value(each) for each in node.attribute if each.name == name), None)
