"""Eight-bit towers: matrix products in integers, calibrated on sample inputs (post-training quantisation)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import openvino

Arrays = tuple[NDArray[Any], ...]

ACTIVATION_LEVELS = 256
WEIGHT_LEVELS = 255  # symmetric: −127 to 127


def quantise(model: openvino.Model, samples: Arrays) -> openvino.Model:
    """Put a FakeQuantize before both inputs of every matrix product and convolution with constant
    weights; the CPU plugin runs those in eight bits. Weights by output channel and symmetric,
    activations by the range that they have over `samples`.
    """
    products = [node for node in model.get_ordered_ops() if _has_weights(node)]
    for node, (low, high) in zip(products, _ranges(model, products, samples), strict=True):
        _fake_quantise(node, 0, np.float32(low), np.float32(high), ACTIVATION_LEVELS)
        weights = np.abs(node.input_value(1).get_node().data)
        bound = np.maximum(weights.max(axis=_summed(node), keepdims=True), 1e-8).astype(np.float32)
        _fake_quantise(node, 1, -bound, bound, WEIGHT_LEVELS)
    model.validate_nodes_and_infer_types()
    return model


def _has_weights(node: Any) -> bool:
    if node.get_type_name() not in ("MatMul", "Convolution", "GroupConvolution"):
        return False
    source = node.input_value(1).get_node()
    return source.get_type_name() == "Constant" and source.data.ndim >= 2


def _summed(node: Any) -> tuple[int, ...]:
    """The axes of the weights over which one output is summed."""
    rank = node.input_value(1).get_node().data.ndim
    if node.get_type_name() == "MatMul":
        transposed = node.get_attributes().get("transpose_b", False)
        return (rank - 1,) if transposed else (rank - 2,)
    return tuple(range(1 if node.get_type_name() == "Convolution" else 2, rank))


def _ranges(model: openvino.Model, products: Sequence[Any], samples: Arrays) -> list[tuple[float, float]]:
    """Smallest and largest value that reaches each product."""
    import openvino
    from openvino import opset13 as ops

    watched = []
    for node in products:
        value = node.input_value(0)
        axes = np.arange(value.get_partial_shape().rank.get_length())
        watched += [ops.result(ops.reduce_min(value, axes)), ops.result(ops.reduce_max(value, axes))]
    probe = openvino.Model(watched, model.get_parameters(), "probe")
    compiled = openvino.Core().compile_model(probe, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled(list(samples))
    values = [float(found[output]) for output in compiled.outputs]
    return list(zip(values[::2], values[1::2], strict=True))


def _fake_quantise(node: Any, port: int, low: Any, high: Any, levels: int) -> None:
    from openvino import opset13 as ops

    low, high = ops.constant(low), ops.constant(high)
    node.input(port).replace_source_output(
        ops.fake_quantize(node.input_value(port), low, high, low, high, levels).output(0)
    )
