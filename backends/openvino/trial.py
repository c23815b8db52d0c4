"""Ask OpenVINO itself whether it can run an operator: build a model of it alone, and query.

Equal operators are asked for once. The numbers of weights are not known when devices are asked, so
that small integer operands (axes, shapes, ends) are chosen to fit the result.
"""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import onnx
from onnx import helper, numpy_helper

from stagecut.backends.openvino import query
from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.graph import Attribute, Operator, Value

_IR_VERSION = 10

#: So many answers are kept: a plan may ask for every shape that it meets.
_KEPT = 1 << 14

#: Operators with bodies, which the planning view leaves out.
_WITH_BODIES = frozenset({"If", "Loop", "Scan", "SequenceMap"})


def refusal(operator: Operator) -> str:
    """Why OpenVINO cannot run it; empty where it can."""
    if operator.op in _WITH_BODIES:
        return "control flow is left to ONNX Runtime"
    if operator.domain not in {"", "ai.onnx"}:
        return f"operators of {operator.domain} are left to ONNX Runtime"
    return _ask(_model(operator))


@lru_cache(_KEPT)
def _ask(model: bytes) -> str:
    return query.refusal(model)


def _model(operator: Operator) -> bytes:
    """Without names, so that equal operators give equal models."""
    inputs = [None if value is None else f"i{at}" for at, value in enumerate(operator.inputs)]
    outputs = ["" if value is None else f"o{at}" for at, value in enumerate(operator.outputs)]
    node = helper.make_node(operator.op, [name or "" for name in inputs], outputs)
    node.attribute.extend(_attributes(operator.attributes))
    graph = helper.make_graph(
        [node],
        "trial",
        [
            _info(f"i{at}", value, shaped=True)
            for at, value in enumerate(operator.inputs)
            if value is not None and not _is_setting(value)
        ],
        [
            _info(f"o{at}", value, shaped=not _has_settings(operator))
            for at, value in enumerate(operator.outputs)
            if value is not None
        ],
        [
            numpy_helper.from_array(_made_up(operator, at, value), f"i{at}")
            for at, value in enumerate(operator.inputs)
            if value is not None and _is_setting(value)
        ],
    )
    imports = [helper.make_opsetid("", operator.version)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=_IR_VERSION)
    return bytes(model.SerializeToString(deterministic=True))


def _attributes(attributes: Mapping[str, Attribute]) -> list[onnx.AttributeProto]:
    return [helper.make_attribute(name, number) for name, number in attributes.items()]


def _info(name: str, value: Value, *, shaped: bool) -> onnx.ValueInfoProto:
    dtype = helper.np_dtype_to_tensor_dtype(np.dtype(value.dtype))
    return helper.make_tensor_value_info(name, dtype, value.shape if shaped else None)


def _has_settings(operator: Operator) -> bool:
    """Whether the shape of its result may depend on numbers that are chosen here."""
    return any(map(_is_setting, operator.reads))


def _is_setting(value: Value) -> bool:
    """A short list of weights: it says how, where other operands are what."""
    return value.constant and len(value.shape) <= 1 and value.elements <= 16


def _made_up(operator: Operator, at: int, value: Value) -> Tensor:
    shape = operator.writes[0].shape if operator.writes else ()
    numbers: list[int] = [0] * value.elements
    if operator.op in {"Reshape", "Expand"} and at == 1:
        numbers = list(shape[len(shape) - value.elements :])  # Expand's may have fewer
    elif operator.op in {"Unsqueeze", "Squeeze"} or operator.op.startswith("Reduce"):
        numbers = list(range(value.elements))
    elif operator.op == "Slice":
        numbers = [[0], [1], list(range(value.elements)), [1]][at - 1] * value.elements
        numbers = numbers[: value.elements]
    elif operator.op in {"Tile", "TopK", "Resize"} or value.dtype.startswith("float"):
        numbers = [1] * value.elements
    elif operator.op == "Split":
        axis = operator.attributes.get("axis", 0)
        sizes = [out.shape[axis] for out in operator.writes if isinstance(axis, int)]
        numbers = sizes if len(sizes) == value.elements else numbers
    made: Tensor = np.asarray(numbers, dtype=value.dtype).reshape(value.shape)
    return made
