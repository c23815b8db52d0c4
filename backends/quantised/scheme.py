"""How a device of lower precision holds the weights of products, and which products it quantises.

blocks     int8 or int4 weights with a scale for each block of a column; activations are quantised
           to int8 in blocks, too, or stay in float32 (ONNX Runtime's MatMulNBits)
dynamic    int8 weights with a scale for each column; activations are quantised to uint8 as a whole
           in every run (DynamicQuantizeLinear, MatMulInteger)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from stagecut.backends.options import Options
from stagecut.compiler.ir.graph import Attribute, Operator

Activations: TypeAlias = Literal["int8", "f32"]

#: Options of a device whose weights lie in blocks.
BLOCK_OPTIONS = ("block", "activations")

_BLOCKS = ("16", "32", "64", "128", "256")

#: What leaves few enough errors in 8 bits and in 4 (README.md).
_USUAL_BLOCK = {8: 128, 4: 32}

#: The first version of ONNX that has DynamicQuantizeLinear.
_DYNAMIC_SINCE = 11

_DYNAMIC = "int8-dynamic"
_BITS = {"int8": 8, "int4": 4}

#: The precisions that there are, as they stand in devices' names.
PRECISIONS = (_DYNAMIC, *_BITS)


@dataclass(frozen=True, slots=True)
class Matrix:
    """The type and the shape of a weight."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def is_proper(self) -> bool:
        """Whether it is a matrix with numbers in it."""
        return len(self.shape) == 2 and all(self.shape)


@dataclass(frozen=True, slots=True)
class Scheme:
    """`block` is None where scales are for whole columns and activations are dynamic."""

    bits: int
    block: int | None
    activations: Activations = "int8"

    @classmethod
    def of(cls, precision: str, device: str, options: Mapping[str, str]) -> "Scheme":
        """Of one of PRECISIONS; raises DeviceError for options that make no sense."""
        if precision == _DYNAMIC:
            return cls(8, None)
        bits, read = _BITS[precision], Options(device, options)
        block = int(read.choice("block", _BLOCKS, default=str(_USUAL_BLOCK[bits])))
        activations: Activations = "int8"
        if read.choice("activations", ("int8", "f32"), default="int8") == "f32":
            activations = "f32"
        return cls(bits, block, activations)

    @property
    def precision(self) -> str:
        """Devices of one precision compute the same, on however many threads."""
        if self.block is None:
            return _DYNAMIC
        block = "" if self.block == _USUAL_BLOCK[self.bits] else f", blocks of {self.block}"
        activations = "" if self.activations == "int8" else ", f32 activations"
        return f"int{self.bits}{block}{activations}"

    def fills(self, inner: int) -> bool:
        """Whether so many rows are whole blocks."""
        return self.block is None or inner % self.block == 0

    def quantises(self, operator: Operator) -> bool:
        """Whether it is a product with a weight that this is a scheme for."""
        weight = operator.inputs[1] if len(operator.inputs) > 1 else None
        if operator.domain or weight is None or not weight.constant:
            return False
        matrix = Matrix(weight.dtype, weight.shape)
        return self.fits(operator.op, operator.version, operator.attributes, matrix)

    def fits(
        self, op: str, version: int, attributes: Mapping[str, Attribute], weight: Matrix
    ) -> bool:
        """Whether an operator of ONNX itself is such a product, `weight` being its constant second
        operand. A Gemm with factors is none."""
        plain = all(attributes.get(factor, 1.0) == 1.0 for factor in ("alpha", "beta"))
        product = op == "MatMul" or (op == "Gemm" and plain and not attributes.get("transA"))
        known = self.block is not None or version >= _DYNAMIC_SINCE
        return product and known and weight.dtype == "float32" and weight.is_proper
