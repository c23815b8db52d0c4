"""How far a plan's outputs are from those of the whole model in its own precision.

`output_differences` says it in figures, `flaws` whether it is too far, and what else is wrong.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from stagecut.compiler.ir.apart import apart, wide_blocks
from stagecut.compiler.ir.checks import OutputDifference
from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.text import size_text
from stagecut.passes.gate.further_inputs import is_float

#: By the name of an output, what errors are a part of, where that is larger than the largest number
#: that is expected.
Scale: TypeAlias = Mapping[str, float]

NO_SCALE: Scale = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Limit:
    """How far off an output may be: the largest difference by the largest number of the reference.

    All that are no floats have to be the same, unless the limit was `asked` for. `rounding` is the
    part by which numbers may be rounded on the way: where the reference itself changes by more than
    the limit when its inputs change by so little, that is the limit, but on the samples only where
    none was asked for. `stretched` says whether it is for inputs far beyond the samples, too.
    `lower` is whether something computes in lower precision, whose steps may be as wide as the
    samples need them: on other inputs a part is of the largest number that the output has there or
    on the samples. `loss` is how much a metric of the user's own may lose by it, None without one.
    """

    relative: float
    asked: bool = False
    rounding: float = 1e-5
    stretched: bool = True
    lower: bool = False
    loss: float | None = None


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with the outputs; `relative` is infinite where no figure says it."""

    problem: str
    relative: float


def output_differences(
    outputs: Mapping[str, Tensor], reference: Mapping[str, Tensor]
) -> tuple[OutputDifference, ...]:
    """One for each output that holds numbers and has the shape of the reference's, in whose order
    they stand."""
    return tuple(
        _difference(name, output, expected) for name, output, expected in _both(outputs, reference)
    )


def farthest(
    outputs: Mapping[str, Tensor], reference: Mapping[str, Tensor], scale: Scale = NO_SCALE
) -> float:
    """The largest relative error of these outputs; 0 where there is nothing to compare."""
    return max(
        (
            _relative(output, expected, scale.get(name, 0.0))
            for name, output, expected in _both(outputs, reference)
        ),
        default=0.0,
    )


def scale_of(outputs: Mapping[str, Tensor]) -> Scale:
    """The largest finite number of each output that holds numbers."""
    return {
        name: apart(array, array)[1]
        for name, array in outputs.items()
        if _holds_numbers(array) and array.size
    }


def _both(
    outputs: Mapping[str, Tensor], reference: Mapping[str, Tensor]
) -> Iterator[tuple[str, Tensor, Tensor]]:
    for name, expected in reference.items():
        if _holds_numbers(expected) and expected.size and _fits(outputs.get(name), expected):
            yield name, np.asarray(outputs[name]), expected


def worst(differences: Sequence[OutputDifference]) -> float:
    """The largest relative error; 0 where there is nothing to compare."""
    return max((difference.relative for difference in differences), default=0.0)


def flaws(
    outputs: Mapping[str, Tensor],
    reference: Mapping[str, Tensor],
    limit: Limit,
    nearby: Mapping[str, Tensor] | None = None,
    scale: Scale = NO_SCALE,
) -> Iterator[Flaw]:
    """What is wrong with `outputs`. `nearby` are the reference's on inputs that differ by roundings
    only; parts are of the largest number of the reference, or of that in `scale` where it is
    larger."""
    for name, expected in reference.items():
        if name not in outputs:
            yield Flaw(f"{name} is missing", np.inf)
            continue
        around = None if nearby is None else nearby[name]
        flaw = _flaw(name, outputs[name], expected, limit, around, scale.get(name, 0.0))
        if flaw is not None:
            yield flaw


def untouched(
    outputs: Mapping[str, Tensor], others: Sequence[Mapping[str, Tensor]]
) -> Mapping[str, Tensor] | None:
    """Where `outputs` are those of other inputs, bit for bit: what a change of the inputs does not
    reach. None where it reaches everything."""
    same = {
        name: np.logical_and.reduce([_same(array, other[name]) for other in others])
        for name, array in outputs.items()
        if all(array.shape == other[name].shape for other in others)
    }
    return same if any(np.any(where) for where in same.values()) else None


def masked(outputs: Mapping[str, Tensor], where: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The outputs with zeros, or nothing, outside of `where`; those without a place are left out,
    and those of another shape are as they are."""
    return {name: _masked(outputs[name], places) for name, places in where.items()}


def _masked(output: Tensor, where: Tensor) -> Tensor:
    if np.shape(output) != where.shape:
        return output
    return np.where(where, output, np.zeros((), output.dtype)).astype(output.dtype)


def _flaw(
    name: str,
    output: Tensor,
    expected: Tensor,
    limit: Limit,
    nearby: Tensor | None,
    least: float,
) -> Flaw | None:
    misfit = _misfit(output, expected)
    if misfit:
        return Flaw(f"{name} is {misfit}", np.inf)
    if nearby is not None and nearby.shape != expected.shape:
        return None  # how much there is depends on roundings
    if is_float(expected) or (_holds_numbers(expected) and limit.asked):
        if not expected.size:
            return None
        most = limit.relative
        if nearby is not None:
            most = max(most, _relative(nearby, expected, least))
        return _beyond(name, _relative(output, expected, least), most)
    wrong = _share(output, expected)
    if wrong <= (0.0 if nearby is None else _share(nearby, expected)):
        return None
    return Flaw(f"{wrong:.2%} of {name} is not what it should be", wrong)


def _misfit(output: object, expected: Tensor) -> str:
    """How it is no array like the reference's; empty where it is one."""
    if not isinstance(output, np.ndarray):
        return f"no array but a {type(output).__name__}"
    if output.dtype != expected.dtype and expected.dtype.kind not in "OSUT":
        return f"{output.dtype}, not {expected.dtype}"
    if output.shape != expected.shape:
        return f"of the shape {size_text(output.shape)}, not {size_text(expected.shape)}"
    return ""


def _beyond(name: str, found: float, most: float) -> Flaw | None:
    if found <= most:
        return None
    if np.isfinite(found):
        part = f"{found:.3g} times" if found >= 2 else f"{100 * found:.3g} % of"
        return Flaw(f"{name} is off by {part} its largest number", found)
    return Flaw(f"{name} has NaN or an infinity in other places than it should", found)


def _share(output: Tensor, expected: Tensor) -> float:
    """The part of the elements that differ."""
    return float(np.mean(~_same(output, expected))) if expected.size else 0.0


def _same(one: Tensor, other: Tensor) -> Tensor:
    same = np.asarray(one == other)
    return same | (np.isnan(one) & np.isnan(other)) if is_float(one) else same


def _holds_numbers(array: Tensor) -> bool:
    return array.dtype.kind in "iub" or is_float(array)


def _fits(output: object, expected: Tensor) -> bool:
    return (
        isinstance(output, np.ndarray) and output.shape == expected.shape and _holds_numbers(output)
    )


def _difference(name: str, output: Tensor, expected: Tensor) -> OutputDifference:
    most, largest = apart(output, expected)
    relative = most / largest if largest else most
    return OutputDifference(name, most, relative, _cosine(output, expected))


def _relative(output: Tensor, expected: Tensor, least: float) -> float:
    """By the largest number that is expected, or by `least` where that is larger."""
    most, largest = apart(output, expected)
    largest = max(largest, least)
    return most / largest if largest else most


def _cosine(output: Tensor, expected: Tensor) -> float | None:
    """Of the angle between the two as vectors; None where one has no direction."""
    squares = np.zeros(2)
    product = 0.0
    with np.errstate(over="ignore"):
        for a, b in wide_blocks(output, expected):
            finite = np.isfinite(a) & np.isfinite(b)
            ours, theirs = a[finite], b[finite]
            squares += ours @ ours, theirs @ theirs
            product += float(ours @ theirs)
    lengths = float(np.prod(np.sqrt(squares)))
    return product / lengths if lengths and np.isfinite(lengths) else None
