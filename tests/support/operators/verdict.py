"""What a device makes of a case: it refuses it, or answers, right or wrong, or fails."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import onnx

from stagecut.compiler.ir.device import Backend, Executable, LinkDriver, Tensor
from stagecut.compiler.ir.errors import EngineError, ValueRangeError
from stagecut.compiler.ir.machine import HOST
from tests.support.operators.case import Case, Result, check, inferred, placed
from tests.support.operators.compare import TOLERANCES, difference
from tests.support.operators.explained import explanation
from tests.support.operators.forms import movement, picking
from tests.support.operators.oracles import Oracles

#: `void` is a case that nobody can run; `unproven`, where nobody says what is right; `not finite`
#: differs where infinities, NaNs or the ends of a float type were fed to what computes with them;
#: `explained` differs as explained.py says.
Outcome: TypeAlias = Literal[
    "void", "refused", "right", "not finite", "explained", "unproven", "wrong", "error", "crash"
]

#: Sets of data that not every operator has to survive.
_NOT_FINITE = frozenset({"ends", "masked", "infinite", "nan"})

#: Operators through which masks go in attention.
_MASKED = frozenset(
    {"Add", "Exp", "Expand", "Greater", "Less", "LogSoftmax", "Max", "Min"}
    | {"ReduceLogSumExp", "Softmax", "Where"}
)
_MOVES = (movement.FORMS.keys() | picking.FORMS.keys() | {"Identity", "Where"}) - {
    *("Cast", "CastLike", "ScatterElements", "ScatterND")
}

_PRECISIONS = {"": 0.0, "f32": TOLERANCES["float32"], "f16": 1e-2, "bf16": TOLERANCES["bfloat16"]}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`data` are the numbers that were fed, where it came that far (numbers.py)."""

    outcome: Outcome
    data: str = ""
    reason: str = ""


def verdicts(case: Case, backend: Backend, *, opened: bool = False) -> Iterator[Verdict]:
    """One, or as many as there are sets of data; `opened`, where sizes are not known before."""
    model = case.model()
    oracles = Oracles(case, model)
    try:
        check(model)
        results = inferred(model) or _seen(oracles)
    except (onnx.checker.ValidationError, TypeError) as error:
        yield Verdict("void", reason=_first_line(error))
        return
    if results is None:
        yield Verdict("void", reason="neither ONNX Runtime nor the reference evaluator runs it")
        return
    node, stage = placed(model, results, opened=opened)
    try:
        support = backend.supports(node)
    except Exception as error:  # it must never raise
        yield Verdict("error", reason=f"supports: {_first_line(error)}")
        return
    if not support:
        yield Verdict("refused", reason=support.reason)
        return
    right = {data: oracles.judged(case.feeds(data)) for data in case.data}
    if all(judge == "no answer" for _, judge in right.values()):
        yield Verdict("unproven", reason="no answer")
        return
    try:
        executable = backend.prepare(stage)
    except Exception as error:  # engines' exceptions share no base class
        judges = {judge for _, judge in right.values()}
        asked_again = opened and isinstance(error, EngineError)  # for each shape
        outcome = "refused" if asked_again else _failure(judges)
        yield Verdict(outcome, reason=f"prepare: {_first_line(error)}")
        return
    tolerance = max(oracles.tolerance, _PRECISIONS[backend.device.precision])
    for data, (expected, judge) in right.items():
        feeds = list(case.feeds(data).values())
        verdict = _compared(case, backend, executable, feeds, expected, tolerance, data, judge)
        known = explanation(case, data, backend.device.name)
        if known and verdict.outcome == "wrong":
            verdict = replace(verdict, outcome="explained")
        yield verdict


def _seen(oracles: Oracles) -> tuple[Result, ...] | None:
    """The results of a run, where shape inference does not know them."""
    found, _ = oracles.judged(oracles.case.feeds("usual"))
    return tuple(Result(_name(each), each.shape, known=False) for each in found) or None


def _compared(
    case: Case,
    backend: Backend,
    executable: Executable,
    feeds: Sequence[Tensor],
    expected: Sequence[Tensor],
    tolerance: float,
    data: str,
    judge: str,
) -> Verdict:
    try:
        with np.errstate(all="ignore"):
            found = _run(backend, executable, feeds)
    except ValueRangeError:  # a plan runs its fallback then
        return Verdict("refused", data, "integers of more than 24 bits")
    except Exception as error:  # engines' exceptions share no base class
        return Verdict(_failure({judge}), data, f"run: {_first_line(error)}")
    if not expected:
        return Verdict("unproven", data, judge)
    told = difference(found, expected, tolerance)
    if not told:
        return Verdict("right", data, judge)
    outcome: Outcome = "not finite" if _may_differ(case, data) else "wrong"
    return Verdict(outcome, data, f"{told} ({judge})")


def _failure(judges: Collection[str]) -> Outcome:
    """Where ONNX Runtime does not run it, either, no plan could."""
    return "error" if {"both", "onnxruntime"} & set(judges) else "unproven"


def _may_differ(case: Case, data: str) -> bool:
    """What moves numbers moves all of them, and masks of minus infinity have their use."""
    masked = data == "masked" and case.op in _MASKED
    return data in _NOT_FINITE and not masked and case.op not in _MOVES


def _run(backend: Backend, executable: Executable, feeds: Sequence[Tensor]) -> list[Tensor]:
    into = [link for link in backend.links if link.source == HOST]
    out = [link for link in backend.links if link.target == HOST]
    return _transferred(executable(_transferred(feeds, into)), out)


def _transferred(tensors: Sequence[Tensor], links: Sequence[LinkDriver]) -> list[Tensor]:
    for link in links:
        tensors = [link.transfer(tensor) for tensor in tensors]
    return list(tensors)


def _name(array: Tensor) -> str:
    return "string" if array.dtype.kind in "OUS" else array.dtype.name


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
