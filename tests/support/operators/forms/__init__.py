"""What every operator is asked, by families; and which are not asked, with the reason."""

from functools import cache

from tests.support.operators.case import Case
from tests.support.operators.forms import (
    elementwise,
    images,
    layers,
    movement,
    picking,
    quantized,
    reductions,
    sequences,
)
from tests.support.operators.schemas import Form, cases

_FAMILIES = (elementwise, images, layers, movement, picking, quantized, reductions, sequences)

#: Operator -> its forms.
FORMS: dict[str, tuple[Form, ...]] = {
    op: forms for family in _FAMILIES for op, forms in sorted(family.FORMS.items())
}

_RANDOM = "its results are random"
_SEQUENCE = "sequences and optional values do not leave an engine"
_BODY = "its body is a graph: every backend but ONNX Runtime leaves it alone"

#: Operators that are not asked.
LEFT_OUT: dict[str, str] = {
    "Bernoulli": _RANDOM,
    "CausalConvWithState": "newer than what ONNX Runtime knows",
    "ConcatFromSequence": _SEQUENCE,
    "Constant": "folded away before a device is asked",
    "If": _BODY,
    "ImageDecoder": "reads files",
    "LinearAttention": "newer than what ONNX Runtime knows",
    "Loop": _BODY,
    "Multinomial": _RANDOM,
    "Optional": _SEQUENCE,
    "OptionalGetElement": _SEQUENCE,
    "OptionalHasElement": _SEQUENCE,
    "RandomNormal": _RANDOM,
    "RandomNormalLike": _RANDOM,
    "RandomUniform": _RANDOM,
    "RandomUniformLike": _RANDOM,
    "Scan": _BODY,
    "SequenceAt": _SEQUENCE,
    "SequenceConstruct": _SEQUENCE,
    "SequenceEmpty": _SEQUENCE,
    "SequenceErase": _SEQUENCE,
    "SequenceInsert": _SEQUENCE,
    "SequenceLength": _SEQUENCE,
    "SequenceMap": _SEQUENCE,
    "SplitToSequence": _SEQUENCE,
    "SwiGLU": "newer than what ONNX Runtime knows",
}


@cache
def cases_of(op: str) -> tuple[Case, ...]:
    """All cases of an operator, in the same order in every process."""
    return cases(op, FORMS[op])
