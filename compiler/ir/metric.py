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
from stagecut.compiler.ir.errors import MetricError, named
from stagecut.compiler.ir.stop import asks_to_stop

#: What the user writes.
MetricFunction: TypeAlias = Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], object]


@dataclass(frozen=True, slots=True)
class Metric:
    """`name` is what the user calls it; `data` is what it is handed beside outputs, to be read
    only, `samples` are the inputs among it, one by one."""

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
        except BaseException as error:  # it may ask the process to end
            if asks_to_stop(error):
                raise
            reason = f"it raised {named(error)}"
            raise self._wrong(reason, _line(error)) from error
        number = _number(found)
        if number is None:
            raise self._wrong(
                f"it returned {_brief(found)}, which is no number that can be compared"
            )
        return number

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


def _number(found: object) -> float | None:
    """None where it is none, or none that a float can hold."""
    single = found.item() if isinstance(found, np.ndarray) and found.ndim == 0 else found
    try:
        number = float(single) if isinstance(single, Real) else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _line(error: BaseException) -> str:
    """Where the user's own code raised it."""
    theirs = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
    return f", {theirs[0].filename}:{theirs[0].lineno}" if theirs else ""


def _brief(found: object) -> str:
    try:
        text = repr(found)
    except Exception:  # the user's own
        return f"a {type(found).__name__}"
    return text if len(text) <= 80 else f"a {type(found).__name__}"
