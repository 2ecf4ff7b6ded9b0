"""The check that an ONNX file is the network of its checkpoint: it is run and compared with PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.graph.build import INPUT, IR_VERSION, OPSET, OUTPUT, STYLE, Interface
from fastnst.errors import FastnstError

# (N, H, W). Odd sizes exercise padding and cropping: one below the least size inside the network; two upright
# images in a batch; one large enough to show rare differences.
SHAPES = ((1, 5, 3), (2, 131, 93), (1, 193, 257))


@dataclass(frozen=True)
class Tolerance:
    """The greatest allowed difference of an exported file from its network.

    Attributes:
        levels: Allowed difference of a value, in levels of 1/255.
        share: Fraction of an image's values that may differ by more.
    """

    levels: int
    share: float


# With the same weights the two differ in the order of their sums, about 1e-6 of a value. It shows where a
# value between two levels is rounded to the other one: 1 level, in one value of some ten thousand.
FLOAT32_TOLERANCE = Tolerance(levels=1, share=0.001)
# Weights rounded to 11 bits change most values by a fraction of a level, and none by more than two.
FLOAT16_TOLERANCE = Tolerance(levels=2, share=0.0)

# The least PSNR of int8 weights and values, in dB. Trained styles have 34 dB and more on these images; at
# 30 dB the shades of flat parts differ from the float picture.
LEAST_PSNR = 30.0


@dataclass(frozen=True)
class Verification:
    """The result of a comparison.

    Attributes:
        max_abs_error: Greatest difference of any value, in levels of 1/255.
        differing: Fraction of the values that differ at all.
    """

    max_abs_error: int
    differing: float


def verify(
    model: bytes,
    network: Callable[[Tensor], Tensor],
    tolerance: Tolerance,
    *,
    interface: Interface = STYLE,
    others: Mapping[str, NDArray[Any]] = MappingProxyType({}),
) -> Verification:
    """Check an ONNX file against the contract, and run it on the CPU against its network.

    Args:
        model: The content of the file.
        network: The checkpoint's network, on the CPU in float32.
        tolerance: The allowed difference on each of the test images (see `SHAPES`).
        interface: The inputs and outputs that the file promises.
        others: Its inputs besides the image.

    Returns:
        The difference.

    Raises:
        FastnstError: If the model breaks the contract, ONNX Runtime cannot run it, it differs by more, or the
            network itself gives NaN or infinity.
    """
    check_contract(model, interface)
    session = open_model(model)
    greatest, differing, count = 0, 0, 0
    for number, shape in enumerate(SHAPES):
        images = example_photos(*shape, seed=number)
        expected = stylize_in_pytorch(network, images)
        found = session.run([OUTPUT], {INPUT: images, **others})[0]
        size = f"{shape[2]}x{shape[1]}"
        if found.shape != expected.shape or found.dtype != np.uint8:
            raise FastnstError(
                f"the exported model turns {size} pixels into {found.dtype} of shape {found.shape}"
            )
        difference = np.abs(found.astype(np.int16) - expected)
        beyond = float((difference > tolerance.levels).mean())
        if beyond > tolerance.share:
            raise FastnstError(
                f"the exported model is not the network of its checkpoint: at {size} pixels "
                f"{beyond:.2%} of its values differ by more than {tolerance.levels}/255 "
                f"(at most {tolerance.share:.1%} may), the worst by {difference.max()}/255"
            )
        greatest = max(greatest, int(difference.max()))
        differing += int(np.count_nonzero(difference))
        count += difference.size
    return Verification(max_abs_error=greatest, differing=differing / count)


def verify_quantized(model: bytes, reference: bytes) -> float:
    """Check an int8 file against the contract, and compare its pictures with those of the float model.

    Args:
        model: The content of the file.
        reference: The same style's float model.

    Returns:
        The least peak signal-to-noise ratio of the test images (see `SHAPES`), in dB.

    Raises:
        FastnstError: If the model breaks the contract, ONNX Runtime cannot run it, or the ratio is below
            `LEAST_PSNR`.
    """
    check_contract(model)
    session, float_session = open_model(model), open_model(reference)
    least = np.inf
    for number, shape in enumerate(SHAPES):
        images = example_photos(*shape, seed=number)
        found, expected = (each.run([OUTPUT], {INPUT: images})[0] for each in (session, float_session))
        size = f"{shape[2]}x{shape[1]}"
        if found.shape != images.shape or found.dtype != np.uint8:
            raise FastnstError(
                f"the int8 model turns {size} pixels into {found.dtype} of shape {found.shape}"
            )
        error = np.square(found.astype(np.float64) - expected).mean()
        psnr = 10 * np.log10(255**2 / max(error, 1e-4))
        if psnr < LEAST_PSNR:
            raise FastnstError(
                f"the int8 model's picture of {size} pixels is too far from the float model's "
                f"({psnr:.1f} dB, at least {LEAST_PSNR:.0f} are needed): export without --int8"
            )
        least = min(least, psnr)
    return float(least)


def check_contract(model: bytes, interface: Interface = STYLE) -> None:
    """Check that a file keeps the promises on which programs that run it rely.

    Args:
        model: The content of an ONNX file.
        interface: The inputs and outputs that it promises.

    Raises:
        FastnstError: If it is no valid ONNX model, or its input, output, versions or parts are not those
            promised.
    """
    try:
        proto = onnx.load_from_string(model)
        onnx.checker.check_model(proto, full_check=True)
    # The checker raises errors of several libraries, such as protobuf, that share no class.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise FastnstError(f"the exported model is not valid ONNX: {reason}") from error
    graph = proto.graph
    for kind, values, promised in (
        ("input", graph.input, interface.inputs),
        ("output", graph.output, interface.outputs),
    ):
        described = [(value.name, _describe(value)) for value in values]
        if described != [(value.name, [value.dtype, *value.dimensions]) for value in promised]:
            raise FastnstError(f"the exported model breaks the contract: its {kind} is {described}")
    opsets = {opset.domain: opset.version for opset in proto.opset_import}
    if opsets != {"": OPSET} or proto.ir_version > IR_VERSION or proto.functions:
        raise FastnstError(
            f"the exported model needs more than opset {OPSET}: {opsets}, format {proto.ir_version}"
        )
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in graph.initializer):
        raise FastnstError("the exported model keeps weights in another file")


def stylize_in_pytorch(network: Callable[[Tensor], Tensor], images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the network's result for images: the reference, independent of the exported code.

    Args:
        network: The network, on the CPU in float32.
        images: RGB images of shape (N, H, W, 3), uint8.

    Returns:
        RGB images of the same shape, uint8.

    Raises:
        FastnstError: If the network gives NaN or infinity.
    """
    content = torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255))
    with torch.no_grad():
        stylized: NDArray[np.float32] = network(content).numpy()
    if not np.isfinite(stylized).all():
        raise FastnstError("the checkpoint's network gives no numbers (NaN or infinity): train again")
    levels = np.rint(stylized.clip(0, 1) * np.float32(255)).astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(0, 2, 3, 1))


def example_photos(count: int, height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """Return images with smooth light, edges, texture and a little noise, as in photos.

    Noise alone would test the network on values that photos never cause.

    Args:
        count: Number of images, all different.
        height: Height of the images in pixels.
        width: Width of the images in pixels.
        seed: Chooses the images.

    Returns:
        RGB images of shape (count, height, width, 3), uint8.
    """
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    photos = np.empty((count, height, width, 3))
    for photo in photos:
        for channel in range(3):
            down, right, phase = random.uniform(-4, 4, 3)
            photo[..., channel] = 128 + 70 * np.cos(down * y + right * x + phase)
        for _ in range(8):
            center_y, center_x = random.uniform(0, 1, 2)
            disc = (y - center_y) ** 2 + (x - center_x) ** 2 < random.uniform(0.05, 0.3) ** 2
            texture = 12 * np.sin(random.uniform(20, 120) * (x + random.uniform(-1, 1) * y))
            photo[disc] = random.uniform(0, 255, 3) + texture[disc, np.newaxis]
    photos += random.normal(0, 3, photos.shape)
    rounded: NDArray[np.uint8] = photos.round().clip(0, 255).astype(np.uint8)
    return rounded


def _describe(value: onnx.ValueInfoProto) -> list[int | str]:
    tensor = value.type.tensor_type
    return [tensor.elem_type, *(dim.dim_param or dim.dim_value for dim in tensor.shape.dim)]


def open_model(model: bytes) -> onnxruntime.InferenceSession:
    """Return a session on the CPU.

    Raises:
        FastnstError: If ONNX Runtime cannot run the model.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors, which are raised too; the rest is advice to developers
    # By default waiting threads keep a core busy, which PyTorch needs between two runs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    # ONNX Runtime's exceptions share no other class.
    except Exception as error:
        raise FastnstError(f"ONNX Runtime cannot run the exported model: {error}") from error
