"""How a device of lower precision holds the weights of products, and which products it quantises.

blocks     int8 or int4 weights with a scale for each block of a column; activations are quantised
           to int8 in blocks, too, or stay in float32 (ONNX Runtime's MatMulNBits)
dynamic    int8 weights with a scale for each column; activations are quantised to uint8 as a whole
           in every run (DynamicQuantizeLinear, MatMulInteger)
static     the same weights, of convolutions, too; activations are uint8 between the least and the
           largest number that they had on samples (QuantizeLinear, DequantizeLinear)
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from stagecut.backends.options import Options
from stagecut.backends.quantised.held import Held
from stagecut.compiler.ir.device import StageProgram
from stagecut.compiler.ir.graph import Attribute, Operator, Value

Activations: TypeAlias = Literal["int8", "f32"]

_BLOCKS = ("16", "32", "64", "128", "256")

#: What leaves few enough errors in 8 bits and in 4 (README.md).
_USUAL_BLOCK = {8: 128, 4: 32}

#: The first versions of ONNX that have DynamicQuantizeLinear, and DequantizeLinear along an axis.
_DYNAMIC_SINCE, _STATIC_SINCE = 11, 13

_DYNAMIC, _STATIC = "int8-dynamic", "int8-static"
_BITS = {"int8": 8, "int4": 4}

#: The precisions that there are, as they stand in devices' names.
PRECISIONS = (_DYNAMIC, _STATIC, *_BITS)

#: Of a convolution, without channels.
_SPATIAL = range(1, 4)


@dataclass(frozen=True, slots=True)
class Matrix:
    """The type and the shape of a weight; one of a convolution has a kernel for each row."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def is_proper(self) -> bool:
        """Whether it is a matrix with numbers in it."""
        return len(self.shape) == 2 and all(self.shape)

    @property
    def is_kernels(self) -> bool:
        """Whether it is a convolution's, with numbers in it."""
        return len(self.shape) - 2 in _SPATIAL and all(self.shape)


@dataclass(frozen=True, slots=True)
class Scheme:
    """`block` is None where scales are for whole columns; then activations are within the ranges
    that samples had where it is `calibrated`, and weights of 7 bits where they are `narrow`, so
    that no sum of two products exceeds 16 bits. With `whole_blocks` it is for weights alone whose
    rows are whole blocks."""

    bits: int
    block: int | None
    activations: Activations = "int8"
    whole_blocks: bool = False
    calibrated: bool = False
    narrow: bool = False

    @classmethod
    def of(
        cls, precision: str, device: str, options: Mapping[str, str], *, narrow: bool = False
    ) -> "Scheme":
        """Of one of PRECISIONS; raises DeviceError for options that make no sense. `narrow` says
        what weights are on this machine, unless the options do."""
        read = Options(device, options)
        if precision in {_DYNAMIC, _STATIC}:
            held = read.choice("weights", ("7", "8"), default="7" if narrow else "8")
            return cls(8, None, calibrated=precision == _STATIC, narrow=held == "7")
        bits = _BITS[precision]
        block = int(read.choice("block", _BLOCKS, default=str(_USUAL_BLOCK[bits])))
        return cls(bits, block, activations_of(read))

    @property
    def options(self) -> tuple[str, ...]:
        """Those of a device that has it."""
        return ("weights",) if self.block is None else ("block", "activations")

    def named(self, precision: str) -> str:
        """`precision` with what is unusual about the scheme: devices whose precisions are named the
        same compute the same, on however many threads."""
        usual = {None, _USUAL_BLOCK[self.bits]}
        block = "" if self.block in usual else f", blocks of {self.block}"
        activations = "" if self.activations == "int8" else ", f32 activations"
        narrow = ", weights of 7 bits" if self.narrow else ""
        return f"{precision}{block}{activations}{narrow}"

    def described(self, precision: str) -> str:
        """As `named`, whatever the machine: whether weights have 7 bits or 8 depends on it."""
        return replace(self, narrow=False).named(precision)

    def quantises(self, operator: Operator) -> bool:
        """Whether it is a product with a weight that this is a scheme for."""
        weight = operator.inputs[1] if len(operator.inputs) > 1 else None
        if operator.domain or weight is None or not weight.constant:
            return False
        matrix = Matrix(weight.dtype, weight.shape)
        return self.fits(operator.op, operator.version, operator.attributes, matrix)

    def ranged(self, operators: Iterable[Operator]) -> tuple[str, ...]:
        """Of these, the values whose ranges it has to know: what products read, what convolutions
        write, and what becomes of that."""
        if not self.calibrated:
            return ()
        found: list[Value | None] = []
        for operator in operators:
            if self.quantises(operator):
                found += operator.inputs[:1]
                found += operator.outputs if operator.op == "Conv" else ()
            elif operator.op in {"Relu", "Clip"}:
                found += operator.outputs
        return tuple(value.name for value in found if value is not None)

    def fits(
        self, op: str, version: int, attributes: Mapping[str, Attribute], weight: Matrix
    ) -> bool:
        """Whether an operator of ONNX itself is such a product, `weight` being its constant second
        operand. A Gemm with factors is none; a convolution is one where ranges are known."""
        if op == "Conv":
            able = self.calibrated and version >= _STATIC_SINCE
            return able and weight.dtype == "float32" and weight.is_kernels
        plain = all(attributes.get(factor, 1.0) == 1.0 for factor in ("alpha", "beta"))
        product = op == "MatMul" or (op == "Gemm" and plain and not attributes.get("transA"))
        since = _STATIC_SINCE if self.calibrated else _DYNAMIC_SINCE
        known = self.block is not None or version >= since
        if not (product and known and weight.dtype == "float32" and weight.is_proper):
            return False
        inner = weight.shape[1 if op == "Gemm" and attributes.get("transB") else 0]
        return not self.whole_blocks or self.block is None or inner % self.block == 0


def stored_by(scheme: Scheme | None, stage: StageProgram, held: Held) -> StageProgram:
    """`stage` with the weights of its products as a device of this scheme holds them; as it is,
    where it has none. They are `held` from then on."""
    if scheme is None:
        return stage
    from stagecut.backends.quantised.store import stored

    return stored(stage, scheme, held)


def activations_of(read: Options) -> Activations:
    """What the option says; raises DeviceError for what is none."""
    is_full = read.choice("activations", ("int8", "f32"), default="int8") == "f32"
    return "f32" if is_full else "int8"
