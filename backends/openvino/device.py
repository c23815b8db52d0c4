"""`openvino.f32` and `openvino.bf16`: OpenVINO's CPU plugin in the host's memory."""

from dataclasses import dataclass, field

from stagecut.backends.openvino import faults
from stagecut.backends.quantised.held import Held
from stagecut.backends.quantised.scheme import Scheme, stored_by
from stagecut.compiler.ir.device import YES, Estimate, Executable, LinkDriver, StageProgram, Support
from stagecut.compiler.ir.graph import Node, Operator, Value
from stagecut.compiler.ir.machine import Device, Memory

#: The types in which OpenVINO computes as ONNX has it; it turns float64 into float32.
_EXACT = frozenset({"float32", "bool"})
#: Integers, which some of its kernels hold in float32, and others let saturate. They are exact
#: where no result is larger than the operands, and no operand has more than 24 bits, which is
#: checked when a stage is prepared (weights) and run (inputs).
_WHOLE = frozenset({"int64", "int32", "int8", "uint8"})

#: Operators whose integers are no larger than those that they are given.
_STAYS_SMALL = frozenset(
    {
        *("ArgMax", "ArgMin", "Cast", "CastLike", "Concat", "DepthToSpace", "Equal", "Expand"),
        *("Flatten", "Gather", "GatherElements", "GatherND", "Greater", "GreaterOrEqual"),
        *("Identity", "Less", "LessOrEqual", "Max", "Min", "Reshape", "ReverseSequence", "Shape"),
        *("Size", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "TopK", "Transpose"),
        *("Trilu", "Unsqueeze", "Where"),
    }
)
#: Operators on quantized numbers, whose integers are exact, too.
_QUANTIZED = frozenset(
    {"ConvInteger", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger"}
    | {"QLinearMatMul", "QuantizeLinear"}
)


@dataclass(frozen=True, slots=True)
class OpenvinoBackend:
    """Timed on this machine. The device's precision is that of floats inside a stage, or with a
    `scheme` that of products, when all else is in float32.

    `pins` says whether each thread stays on a CPU of its own, `streams` how many callers a stage
    serves at once, `serves_more` whether it may be asked to serve others; `alone` is as in
    backends/configurations.py.
    """

    device: Device
    memory: Memory
    links: tuple[LinkDriver, ...] = ()
    pins: bool = False
    alone: tuple[str, ...] = ()
    streams: int = 1
    serves_more: bool = False
    scheme: Scheme | None = None
    held: Held = field(default_factory=Held, repr=False, compare=False)

    def supports(self, node: Node) -> Support:
        for operator in node.operators:
            reason = faults.refusal(operator) or _misfit(operator) or _refusal(operator)
            if reason:
                return Support(f"{operator.op}: {reason}")
        return YES

    def quantises(self, node: Node) -> bool:
        """Whether it computes something in it in fewer bits."""
        if self.scheme is None:
            return not self.device.keeps_precision
        return any(map(self.scheme.quantises, node.operators))

    def ranged(self, node: Node) -> tuple[str, ...]:
        """What has to be known of its activations."""
        return () if self.scheme is None else self.scheme.ranged(node.operators)

    def stored(self, stage: StageProgram) -> StageProgram:
        """With the weights of its products as they are held here."""
        return stored_by(self.scheme, stage, self.held)

    def estimate(self, node: Node) -> Estimate | None:  # noqa: ARG002  # it is always measured
        return None

    def prepare(self, stage: StageProgram) -> Executable:
        from stagecut.backends.openvino import engine

        threads = self.device.cores
        return engine.prepare(
            stage,
            threads,
            self.device.precision if self.scheme is None else "f32",
            pin=self.pins,
            streams=self.streams,
            scheme=self.scheme,
            held=self.held,
        )

    def serving(self, callers: int) -> str:
        return f"streams={callers}" if self.serves_more and callers > 1 else ""

    def serving_one(self) -> str:
        return "streams=1" if self.streams > 1 else ""


def _misfit(operator: Operator) -> str:
    """Why OpenVINO cannot take the operator's values as they are; empty where it can."""
    if operator.captured:
        return "its bodies read values from outside"
    for value in operator.writes:
        if value.dtype not in _EXACT and not _is_small(operator, value):
            return f"{value.name} is {value.dtype}, which OpenVINO may round or cut"
    for index, value in enumerate(operator.reads):
        if not value.elements and not _is_left_out(operator, value):
            return f"{value.name} is empty"
        exact = value.dtype in _EXACT or _is_small(operator, value)
        if not exact and not _is_index(operator, index, value):
            return f"{value.name} is {value.dtype}, which OpenVINO may round or cut"
    return "" if all(value.elements for value in operator.writes) else "its result is empty"


def _is_left_out(operator: Operator, value: Value) -> bool:
    """Exporters write an empty region, or empty scales, where a Resize needs none."""
    return operator.op == "Resize" and value.constant


def _is_small(operator: Operator, value: Value) -> bool:
    """Whether the value's integers are exact; a float that is cast may be too large."""
    if value.dtype not in _WHOLE:
        return False
    if operator.op in _QUANTIZED:
        return value.dtype != "int64"
    from_float = operator.op.startswith("Cast") and operator.reads[0].dtype.startswith("float")
    return operator.op in _STAYS_SMALL and not from_float


def _is_index(operator: Operator, index: int, value: Value) -> bool:
    """Whether an operand of integers only says where or how, so that its numbers are small."""
    is_whole = value.dtype in {"int64", "int32"}
    return is_whole and index > 0 and operator.op not in _COMPUTES_WITH_ALL


#: Operators whose further operands are data, too.
_COMPUTES_WITH_ALL = frozenset({"Where", "Concat", "Sum", "Max", "Min", "Mean", "Einsum"})


def _refusal(operator: Operator) -> str:
    from stagecut.backends.openvino import trial

    return trial.refusal(operator)
