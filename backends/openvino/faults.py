"""What OpenVINO takes and answers otherwise than ONNX has it, so that it is refused.

Found by `python -m benchmarks.operators` (docs/operators.md says with which versions, and how to
look again); a line for each kind of fault. Where sizes are open, a fault is there if it is there at
any size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from stagecut.compiler.ir.graph import Attribute, Operator

#: A size that is open. Where not even their number is known, there are none in a shape.
UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind: of these operators (separated by spaces) where `when` holds."""

    operators: str
    reason: str
    when: Callable[[Operator], bool]


def refusal(operator: Operator) -> str:
    """Why OpenVINO's answer would be wrong; empty where no fault is known."""
    for fault in _FAULTS:
        if operator.op in fault.operators.split() and fault.when(operator):
            return fault.reason
    return ""


def _always(operator: Operator) -> bool:  # noqa: ARG001
    return True


def _has(name: str, *values: Attribute) -> Callable[[Operator], bool]:
    """Whether an attribute has one of these values."""
    return lambda operator: operator.attributes.get(name) in values


def _flattens(operator: Operator) -> bool:
    """In opset 11 and 12, all axes from `axis` on are one; older ones are read right."""
    axis = operator.attributes.get("axis", 1)
    shape = operator.reads[0].shape
    if not 11 <= operator.version < 13 or not isinstance(axis, int):
        return False
    rank = len(shape)
    return not rank or any(size != 1 for size in shape[axis % rank + 1 :])


def _counts_padding(operator: Operator) -> bool:
    return _has("ceil_mode", 1)(operator) and _has("count_include_pad", 1)(operator)


def _begins_in_padding(operator: Operator) -> bool:
    """Whether, with ceil_mode, a last window would; ONNX drops it."""
    if not _has("ceil_mode", 1)(operator):
        return False
    sizes = operator.reads[0].shape[2:]
    if not sizes or UNKNOWN in sizes:
        return True
    ones, none = (1,) * len(sizes), (0,) * (2 * len(sizes))
    window = _numbers(operator, "kernel_shape", ones)
    strides = _numbers(operator, "strides", ones)
    dilations = _numbers(operator, "dilations", ones)
    pads = _numbers(operator, "pads", none)
    ends = pads[len(sizes) :]
    return any(
        ceil((size + before + after - far * (wide - 1) - 1) / stride) * stride >= size + before
        for size, wide, stride, far, before, after in zip(
            sizes, window, strides, dilations, pads, ends, strict=False
        )
    )


def _normalises_one_number(operator: Operator) -> bool:
    """Whether a channel has one number only, which is its own mean."""
    return all(size in {1, UNKNOWN} for size in operator.reads[0].shape[2:])


def _lies_in_padding(operator: Operator) -> bool:
    """Whether the last window of a convolution may."""
    kernel = operator.reads[1].shape[2:]
    dilations = _numbers(operator, "dilations", (1,) * len(kernel))
    ends = _numbers(operator, "pads", (0,) * (2 * len(kernel)))[len(kernel) :]
    return any(
        after > far * (wide - 1) for wide, far, after in zip(kernel, dilations, ends, strict=False)
    )


def _numbers(operator: Operator, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    found = operator.attributes.get(name, default)
    return tuple(int(each) for each in found) if isinstance(found, tuple) else default


def _cubic_elsewhere(operator: Operator) -> bool:
    before, after = operator.reads[0].shape, operator.writes[0].shape
    images = len(before) == 4 and before[:2] == after[:2] and UNKNOWN not in before[1:2]
    return _has("mode", "cubic")(operator) and not images


def _is_fed(at: int) -> Callable[[Operator], bool]:
    """Whether an operand is there and no weight."""

    def found(operator: Operator) -> bool:
        value = operator.inputs[at] if at < len(operator.inputs) else None
        return value is not None and not value.constant

    return found


def _has_operand(at: int) -> Callable[[Operator], bool]:
    return lambda operator: any(value is not None for value in operator.inputs[at : at + 1])


def _has_a_shorter_part(operator: Operator) -> bool:
    """Whether opset 18's Split is only told how many parts there are, and they are not alike."""
    if operator.version < 18 or _has_operand(1)(operator):
        return False
    axis, shape = operator.attributes.get("axis", 0), operator.reads[0].shape
    size = shape[axis] if shape and isinstance(axis, int) else UNKNOWN
    return size == UNKNOWN or size % len(operator.outputs) != 0


def _is_open(operator: Operator) -> bool:
    shape = operator.reads[0].shape
    return not shape or UNKNOWN in shape


def _has_blocks(operator: Operator) -> bool:
    return operator.attributes.get("block_size", 0) != 0


def _groups_heads(operator: Operator) -> bool:
    """Whether several heads of the queries share one of the keys."""
    attributes = operator.attributes
    if "q_num_heads" in attributes:
        return attributes["q_num_heads"] != attributes.get("kv_num_heads")
    queries, keys = operator.reads[0].shape[1:2], operator.reads[1].shape[1:2]
    return queries != keys or queries in {(), (UNKNOWN,)}


def _reads(*dtypes: str) -> Callable[[Operator], bool]:
    return lambda operator: operator.reads[0].dtype in dtypes


def _even(operator: Operator, name: str) -> bool:
    size = operator.attributes.get(name)
    return isinstance(size, int) and size % 2 == 0


_FAULTS = (
    Fault(
        "Softmax",
        "OpenVINO takes opset 11's for opset 13's, which normalises along one axis",
        _flattens,
    ),
    Fault(
        "AveragePool", "OpenVINO counts the padding that ceil_mode adds to the end", _counts_padding
    ),
    Fault(
        "IsNaN IsInf ReduceMax ReduceMin",
        "the extreme of infinities is the largest finite number in OpenVINO",
        _always,
    ),
    Fault("Resize", "OpenVINO has no exclude_outside", _has("exclude_outside", 1)),
    Fault(
        "Resize",
        "OpenVINO has no policy for the aspect ratio",
        _has("keep_aspect_ratio_policy", "not_larger", "not_smaller"),
    ),
    Fault("Resize", "OpenVINO's antialias has other weights", _has("antialias", 1)),
    Fault("Resize", "OpenVINO is cubic along the last two of four axes only", _cubic_elsewhere),
    Fault("Pad", "OpenVINO does not read a value for padding that is no weight", _is_fed(2)),
    Fault("LSTM", "OpenVINO leaves out the peepholes' weights", _has_operand(7)),
    Fault("LSTM", "OpenVINO has no input_forget", _has("input_forget", 1)),
    Fault(
        "LSTM GRU RNN",
        "OpenVINO goes past the lengths of sequences where sizes are open",
        _has_operand(4),
    ),
    Fault(
        "InstanceNormalization",
        "OpenVINO leaves roundings of a large number that is its channel's only one",
        _normalises_one_number,
    ),
    Fault("LpNormalization", "OpenVINO adds to the norm, which small ones are lost in", _always),
    Fault("LRN", "OpenVINO's window of an even size lies elsewhere", lambda o: _even(o, "size")),
    Fault("RoiAlign", "OpenVINO samples other points in most of its forms", _always),
    Fault(
        "QuantizeLinear DequantizeLinear",
        "OpenVINO loses the shape of blocks where sizes are open",
        _has_blocks,
    ),
    Fault(
        "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMean ReduceProd ReduceSum"
        " ReduceSumSquare",
        "OpenVINO reduces all axes where none are to be, where sizes are open",
        _has("noop_with_empty_axes", 1),
    ),
    Fault(
        "Split",
        "where sizes are open, OpenVINO writes beyond the memory of parts that are not all alike",
        _has_a_shorter_part,
    ),
    Fault(
        "ConvTranspose",
        "OpenVINO pads otherwise where sizes are open",
        _has("auto_pad", "SAME_UPPER", "SAME_LOWER"),
    ),
    Fault(
        "Attention", "OpenVINO loses the shape of grouped heads where sizes are open", _groups_heads
    ),
    Fault("TopK", "OpenVINO names another one of equal numbers where sizes are open", _is_open),
    Fault("QLinearConv", "OpenVINO's CPU plugin has no kernel for some", _always),
    Fault("DFT", "OpenVINO loses the shape, or takes another axis, in some of its forms", _always),
    Fault(
        "MaxPool AveragePool LpPool",
        "OpenVINO keeps a last window that begins in the padding",
        _begins_in_padding,
    ),
    Fault(
        "Conv ConvInteger",
        "OpenVINO crashes where a last window lies in the padding",
        _lies_in_padding,
    ),
    Fault("GridSample", "OpenVINO computes it on floats only", _reads("bool")),
    Fault("Shrink ThresholdedRelu", "OpenVINO makes NaN of an infinity that is to be cut", _always),
)
