"""Weights in few bits in the form that OpenVINO's CPU plugin multiplies with as they are:

    int8    Constant i8 [inner, outer]            > Convert > Multiply(scales [1, outer])
    int4    Constant i4 [blocks, block, outer]    > Convert > Multiply(scales [blocks, 1, outer])
                                                  > Reshape [inner, outer]

A product that reads its weight turned has all of it turned.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import openvino as ov
from openvino import opset13

from stagecut.backends.quantised.integers import Integers, integers
from stagecut.backends.quantised.products import product, targets
from stagecut.backends.quantised.scheme import Scheme
from stagecut.compiler.ir.device import StageProgram, Tensor
from stagecut.compiler.ir.errors import EngineError


@dataclass(frozen=True, eq=False)
class Compressed:
    """A weight of a stage in few bits, for products that read it as it is (False) and for those
    that read it turned (True), whose columns are others."""

    few: Mapping[bool, Integers]
    bits: int

    def put_in(self, parameter: ov.Node) -> list[object]:
        """Let the products that read `parameter` read the weight in few bits; what has to be kept
        while they are in use. Raises EngineError where none reads it as a right operand."""
        kept: list[object] = []
        put: dict[bool, ov.Output] = {}
        for reader in _products(parameter):
            turned = bool(reader.get_node().get_attributes()["transpose_b"])
            if turned not in self.few:
                continue
            if turned not in put:
                put[turned] = _decompressed(self, kept, turned=turned)
            reader.replace_source_output(put[turned])
        if put.keys() != self.few.keys():
            raise EngineError(
                "OpenVINO reads the weight otherwise than in a product",
                where=f"weight {parameter.get_friendly_name()}",
                fix="forbid the node on the device",
            )
        return kept


def compressed(stage: StageProgram, scheme: Scheme) -> Mapping[str, Compressed]:
    """The weights of the products that the scheme is for, by name."""
    few: dict[str, dict[bool, Integers]] = {}
    for target in targets(stage.model.graph, scheme):
        readings = few.setdefault(target.name, {})
        if target.turned not in readings:
            made = product(target.weight, scheme, str(target.node.name))
            readings[target.turned] = integers(made)
    return {name: Compressed(readings, scheme.bits) for name, readings in few.items()}


def _products(parameter: ov.Node) -> Iterator[ov.Input]:
    for reader in parameter.output(0).get_target_inputs():
        if reader.get_node().get_type_name() == "MatMul" and reader.get_index() == 1:
            yield reader


def _decompressed(weight: Compressed, kept: list[object], *, turned: bool) -> ov.Output:
    few = weight.few[turned]
    values, scales = few.values, few.scales
    inner, outer = values.shape
    if weight.bits == 4:
        values = values.reshape(-1, few.block, outer)
        scales = scales.reshape(-1, 1, outer)
    if turned:
        axes = (1, 0) if weight.bits == 8 else (2, 0, 1)
        values, scales = (np.ascontiguousarray(each.transpose(axes)) for each in (values, scales))
    stored = _int4(values, kept) if weight.bits == 4 else values
    kept += [stored, scales]
    wide = opset13.convert(opset13.constant(stored, shared_memory=True), np.float32)
    result = opset13.multiply(wide, opset13.constant(scales, shared_memory=True))
    if weight.bits == 4:
        shape = np.array((outer, inner) if turned else (inner, outer))
        result = opset13.reshape(result, opset13.constant(shape), special_zero=False)
    return result.output(0)


def _int4(values: Tensor, kept: list[object]) -> ov.Tensor:
    """Two numbers a byte, the lower four bits first."""
    low, high = (values.reshape(-1)[first::2].view(np.uint8) & 15 for first in (0, 1))
    packed = low | high << 4
    kept.append(packed)
    return ov.Tensor(packed, ov.Shape(values.shape), ov.Type.i4)
