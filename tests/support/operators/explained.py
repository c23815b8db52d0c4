"""Answers that differ from ONNX's for a reason that is known, and that is no reason to refuse.

Each stands in docs/operators.md, too.
"""

from collections.abc import Callable

from tests.support.operators.case import Case


def _on_halves(case: Case) -> bool:
    first = case.operands[0]
    return first is not None and first.values is not None


#: Operator -> data, which cases, and why.
_EXPLAINED: dict[str, tuple[str, Callable[[Case], bool], str]] = {
    "QuantizeLinear": (
        "usual",
        _on_halves,
        "OpenVINO rounds after it has added the zero point: numbers half way between two steps "
        "go to another one where the zero point is odd",
    ),
}


def explanation(case: Case, data: str) -> str:
    """Why an answer differs; empty where nothing explains it."""
    fed, covers, why = _EXPLAINED.get(case.op, ("", _on_halves, ""))
    return why if data == fed and covers(case) else ""
