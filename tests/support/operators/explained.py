"""Answers that differ for a reason that is known, and that is no reason to refuse.

docs/operators.md has them, too.
"""

from dataclasses import dataclass

from tests.support.operators.case import Case


@dataclass(frozen=True, slots=True)
class Explanation:
    """Of an operator's cases with these sets of data, or with numbers that are `given`; only of
    `device` where there is one."""

    op: str
    why: str
    data: tuple[str, ...] = ()
    given: bool = False
    device: str = ""


_EXPLANATIONS = (
    Explanation(
        "QuantizeLinear",
        "OpenVINO rounds after it has added the zero point: numbers half way between two steps go "
        "to another one where the zero point is odd",
        given=True,
        device="openvino",
    ),
    Explanation(
        "DynamicQuantizeLinear",
        "a zero point half way between two steps, which a range that is symmetric has, is rounded "
        "otherwise",
        data=("usual", "small", "large"),
        device="openvino",
    ),
    Explanation(
        "Erf",
        "OpenVINO is right to 1.5e-7, whatever the number: enough beside the 1 that Gelu adds",
        data=("small",),
        device="openvino",
    ),
    Explanation(
        "LRN",
        "ONNX Runtime adds and subtracts along the channels, and loses small numbers beside large",
        data=("large",),
    ),
    Explanation(
        "MeanVarianceNormalization",
        "ONNX Runtime divides 0 by 0 where all numbers are equal",
        data=("zero",),
    ),
)


def explanation(case: Case, data: str, device: str) -> str:
    """Why the answer of a device differs; empty where nothing explains it."""
    given = any(each.values is not None for each in case.fed.values())
    for each in _EXPLANATIONS:
        covered = data in each.data or (each.given and given)
        if each.op == case.op and covered and device.startswith(each.device):
            return each.why
    return ""
