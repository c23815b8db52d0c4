"""Weights in few bits in the form that OpenVINO's CPU plugin multiplies with as they are:

    int8    Constant i8 [inner, outer]            > Convert > Multiply(scales [1, outer])
    int4    Constant i4 [blocks, block, outer]    > Convert > Multiply(scales [blocks, 1, outer])
                                                  > Reshape [inner, outer]

A product that reads its weight turned has all of it turned. Stages that are in use together share
what they read of the same weight.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from weakref import WeakValueDictionary

import numpy as np
import openvino as ov
from openvino import opset13

from stagecut.backends.quantised.held import Held
from stagecut.backends.quantised.products import Target, quantised_matrix, targets
from stagecut.backends.quantised.scheme import Scheme
from stagecut.compiler.formats.quantised_tensor import QuantisedMatrix
from stagecut.compiler.ir.device import StageProgram, Tensor
from stagecut.compiler.ir.errors import EngineError


@dataclass(frozen=True, eq=False)
class Reading:
    """A weight of this `shape` as a product reads it, in the memory of its constants: `values`, of
    the shape `parts`, are int8, or int4 by two in a uint8."""

    shape: tuple[int, int]
    parts: tuple[int, ...]
    values: Tensor
    scales: Tensor


#: Those in use, by the digest of the numbers, and whether it is turned.
_in_use: WeakValueDictionary[tuple[str, bool], Reading] = WeakValueDictionary()


@dataclass(frozen=True, eq=False)
class Compressed:
    """A weight of a stage in few bits, for products that read it as it is (False) and for those
    that read it turned (True), whose columns are others."""

    few: Mapping[bool, Reading]

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
                put[turned] = _decompressed(self.few[turned], kept)
            reader.replace_source_output(put[turned])
        if put.keys() != self.few.keys():
            raise EngineError(
                "OpenVINO reads the weight otherwise than in a product",
                where=f"weight {parameter.get_friendly_name()}",
                fix="forbid the node on the device",
            )
        return kept


def compressed(
    stage: StageProgram, scheme: Scheme, held: Held | None = None
) -> Mapping[str, Compressed]:
    """The weights of the products that the scheme is for, by name."""
    few: dict[str, dict[bool, Reading]] = {}
    for target in targets(stage.model.graph, scheme):
        readings = few.setdefault(target.name, {})
        if target.turned not in readings:
            readings[target.turned] = _reading(target, scheme, held)
    return {name: Compressed(readings) for name, readings in few.items()}


def _reading(target: Target, scheme: Scheme, held: Held | None) -> Reading:
    matrix = quantised_matrix(target, scheme)
    if held is not None:
        held.keep([matrix])
    key = matrix.digest, target.turned
    found = _in_use.get(key)
    if found is None:
        found = _in_use[key] = _laid_out(matrix, turned=target.turned)
    return found


def _laid_out(matrix: QuantisedMatrix, *, turned: bool) -> Reading:
    few, bits = matrix.integers(), matrix.form.bits
    values, scales = few.values, few.scales
    inner, outer = values.shape
    if bits == 4:
        values = values.reshape(-1, few.block, outer)
        scales = scales.reshape(-1, 1, outer)
    if turned:
        axes = (1, 0) if bits == 8 else (2, 0, 1)
        values, scales = (np.ascontiguousarray(each.transpose(axes)) for each in (values, scales))
    shape = (outer, inner) if turned else (inner, outer)
    return Reading(shape, values.shape, _packed(values) if bits == 4 else values, scales)


def _packed(values: Tensor) -> Tensor:
    """Two numbers a byte, the lower four bits first."""
    low, high = (values.reshape(-1)[first::2].view(np.uint8) & 15 for first in (0, 1))
    packed: Tensor = low | high << 4
    return packed


def _products(parameter: ov.Node) -> Iterator[ov.Input]:
    for reader in parameter.output(0).get_target_inputs():
        if reader.get_node().get_type_name() == "MatMul" and reader.get_index() == 1:
            yield reader


def _decompressed(reading: Reading, kept: list[object]) -> ov.Output:
    stored: Tensor | ov.Tensor = reading.values
    if reading.values.dtype == np.uint8:
        stored = ov.Tensor(reading.values, ov.Shape(reading.parts), ov.Type.i4)
    kept += [reading, stored]
    wide = opset13.convert(opset13.constant(stored, shared_memory=True), np.float32)
    result = opset13.multiply(wide, opset13.constant(reading.scales, shared_memory=True))
    if reading.parts != reading.shape:
        shape = opset13.constant(np.array(reading.shape))
        result = opset13.reshape(result, shape, special_zero=False)
    return result.output(0)
