"""A measure of the user's own for how good outputs are, such as accuracy on labelled samples.

outputs {name: [samples, *shape]}, data {name: [samples, ...]} -> a number, the larger the better
"""

import math
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TypeAlias

import numpy as np

from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.errors import MetricError

#: What the user writes.
MetricFunction: TypeAlias = Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], object]


@dataclass(frozen=True, slots=True)
class Metric:
    """`name` is what the user calls it; `data` is what it is handed beside outputs, `samples` are
    the inputs among it, one by one."""

    name: str
    function: MetricFunction
    data: Mapping[str, Tensor]
    samples: tuple[Feeds, ...]

    def __call__(self, outputs: Sequence[Mapping[str, Tensor]]) -> float:
        """Of the outputs on each of `samples`. Raises MetricError where the function raises, or
        returns no number."""
        stacked = {name: self._stacked(name, outputs) for name in outputs[0]}
        try:
            found = self.function(stacked, self.data)
        except Exception as error:
            raise self._wrong(f"it raised {type(error).__name__}: {error}", _line(error)) from error
        number = found.item() if isinstance(found, np.ndarray) and found.ndim == 0 else found
        if not isinstance(number, Real) or not math.isfinite(number):
            raise self._wrong(
                f"it returned {_brief(found)}, which is no number that can be compared"
            )
        return float(number)

    def _stacked(self, name: str, outputs: Sequence[Mapping[str, Tensor]]) -> Tensor:
        try:
            return np.stack([each[name] for each in outputs])
        except ValueError:
            raise self._wrong(f"output {name} has another shape on each sample") from None

    def _wrong(self, problem: str, line: str = "") -> MetricError:
        return MetricError(
            problem,
            where=f"metric {self.name}{line}",
            fix="return one number, the larger the better, of outputs and data by name, each with "
            "an axis of samples in front",
        )


def _line(error: Exception) -> str:
    """Where the user's own code raised it."""
    theirs = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
    return f", {theirs[0].filename}:{theirs[0].lineno}" if theirs else ""


def _brief(found: object) -> str:
    text = repr(found)
    return text if len(text) <= 80 else f"a {type(found).__name__}"
