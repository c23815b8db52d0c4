"""What ONNX itself answers: its reference evaluator, and ONNX Runtime without optimisations.

The reference evaluator has one implementation for most operators, of their newest meaning, so that
it cannot judge older ones alone, nor against ONNX Runtime.
"""

import contextlib
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from stagecut.compiler.ir.device import Feeds, Tensor
from tests.support.operators.case import Case
from tests.support.operators.compare import TOLERANCES, difference
from tests.support.operators.schemas import versions
from tests.support.reference import reference_session

#: Who says what is right; nobody where the two disagree, or neither has an answer.
Judge: TypeAlias = Literal["both", "onnxruntime", "reference", "they disagree", "no answer"]


@dataclass(frozen=True)
class Oracles:
    """Both, for one case."""

    case: Case
    model: onnx.ModelProto

    def judged(self, feeds: Feeds) -> tuple[list[Tensor], Judge]:
        """The right answer, and who says so; no arrays where nobody does."""
        runtime, reference = self.runtime(feeds), self.reference(feeds)
        if runtime is None and (reference is None or not self._is_newest):
            return [], "no answer"
        if runtime is None:
            return reference or [], "reference"
        if reference is None:
            return runtime, "onnxruntime"
        if not difference(reference, runtime, self.tolerance):
            return runtime, "both"
        return ([], "they disagree") if self._is_newest else (runtime, "onnxruntime")

    @property
    def tolerance(self) -> float:
        """How far two right answers may be apart, by the lowest precision among the operands."""
        known = (TOLERANCES.get(each.dtype, 0.0) for each in self.case.operands if each)
        return max(known, default=0.0) or TOLERANCES["float32"]

    def runtime(self, feeds: Feeds) -> list[Tensor] | None:
        return _answer(self._session, feeds)

    def reference(self, feeds: Feeds) -> list[Tensor] | None:
        return _answer(self._evaluator, feeds)

    @property
    def _is_newest(self) -> bool:
        return self.case.version >= versions(self.case.op)[-1][0]

    @cached_property
    def _session(self) -> Any:
        with contextlib.suppress(Exception):  # its errors have no narrower class in common
            return reference_session(self.model)
        return None

    @cached_property
    def _evaluator(self) -> Any:
        with contextlib.suppress(Exception):  # whatever an operator's implementation raises
            return ReferenceEvaluator(self.model)
        return None


def _answer(engine: Any, feeds: Feeds) -> list[Tensor] | None:
    """None where it does not run."""
    if engine is None:
        return None
    with (
        contextlib.suppress(Exception),
        warnings.catch_warnings(action="ignore"),
        np.errstate(all="ignore"),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        copies = {name: each.copy() for name, each in feeds.items()}
        results: Sequence[Any] = engine.run(None, copies)
        return [np.asarray(each) for each in results]
    return None
