"""Inputs beside the samples, on which a plan has to be right, too.

    the samples            what the model came with
    random numbers         floats anywhere in the range of the samples
    zeros
    small numbers          a thousandth of the random numbers, where there are many
    extremes               each float at one end of that range, or at a hundred times as much
    NaN and infinities     the random numbers, with a few of these among the floats

Integers of 32 bits and more may be indices, tokens or sizes, which mean nothing outside of a range
that nobody tells: they are the samples' own numbers in another order, so that the same sizes come
out of them. Shorter ones are data, and take any value of their type. All is seeded: the same
samples give the same inputs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from stagecut.compiler.ir.device import Feeds, Tensor

#: One array in the likeness of a sample.
_Draw: TypeAlias = Callable[[np.random.Generator, Tensor], Tensor]

#: The largest that extremes are, as a multiple of the largest sample, and how small small numbers.
_FAR, _NEAR = 100.0, 1e-3

#: An input of fewer numbers may be a scale or a threshold, which only makes sense in its range.
_MANY = 16

#: One number in so many is no number.
_SPARSE = 16

#: Further inputs of integers of more bits may only be the samples' own.
_DATA_BITS = 16

SAMPLES = "the sample inputs"

#: So many sets there are, where all of them differ.
MOST_SETS = 6


@dataclass(frozen=True, slots=True)
class InputSet:
    """`feeds` are by name; where some of their floats are no numbers, `numbers` are the same with
    numbers there, and with very different ones. `stretched` are beyond the range of the samples."""

    name: str
    feeds: Feeds
    numbers: "tuple[InputSet, ...]" = ()
    stretched: bool = False

    def near(self, samples: Feeds, by: float, seed: int = 1) -> Feeds:
        """The same but for roundings: each float changed by up to `by` of itself; where all are 0,
        by up to that part of the largest sample."""
        rng = np.random.default_rng(seed)
        return {
            name: _shaken(rng, array, samples[name], by) if is_float(array) else array
            for name, array in self.feeds.items()
        }


def further_inputs(samples: Feeds, seed: int = 0) -> tuple[InputSet, ...]:
    """The samples and the further ones, each set once: `MOST_SETS` or fewer."""
    numbers = InputSet("random numbers", _drawn(samples, seed, _random))
    odd = _drawn(numbers.feeds, seed, _not_numbers)
    opposite = {name: _opposite(array, odd[name]) for name, array in numbers.feeds.items()}
    others = (numbers, InputSet("numbers of the other sign", opposite))
    sets = [
        InputSet(SAMPLES, samples),
        numbers,
        InputSet("zeros", _drawn(samples, seed, _zeros)),
        InputSet("small numbers", _drawn(numbers.feeds, seed, _small), stretched=True),
        InputSet("extremes", _drawn(samples, seed, _extremes), stretched=True),
        InputSet("NaN and infinities", odd, others, stretched=True),
    ]
    found: list[InputSet] = []
    for each in sets:
        if not any(_same(each.feeds, other.feeds) for other in found):
            found.append(each)
    return tuple(found)


def is_float(array: Tensor) -> bool:
    """Whether it holds floats of any format, bfloat16 included."""
    return "float" in array.dtype.name


def _drawn(samples: Feeds, seed: int, draw: _Draw) -> Feeds:
    rng = np.random.default_rng(seed)
    return {name: np.asarray(draw(rng, array), array.dtype) for name, array in samples.items()}


def _random(rng: np.random.Generator, sample: Tensor) -> Tensor:
    if not is_float(sample):
        return _other_integers(rng, sample)
    low, high, _ = _range(sample)
    return np.asarray(low + (high - low) * rng.random(sample.shape))


def _zeros(rng: np.random.Generator, sample: Tensor) -> Tensor:
    if is_float(sample) or _is_data(sample):
        return np.zeros_like(sample)
    return _reordered(rng, sample)


def _small(rng: np.random.Generator, numbers: Tensor) -> Tensor:  # noqa: ARG001  # it is a _Draw
    return numbers * _NEAR if is_float(numbers) and numbers.size >= _MANY else numbers


def _extremes(rng: np.random.Generator, sample: Tensor) -> Tensor:
    if _is_data(sample):
        info = np.iinfo(sample.dtype)
        return np.asarray(rng.choice(np.array([info.min, info.max]), sample.shape))
    if not is_float(sample):
        return _reordered(rng, sample)
    low, high, largest = _range(sample)
    far = min(_FAR * largest, float(_largest_of(sample.dtype)) / _FAR)
    ends = [low, high, -far, far] if sample.size >= _MANY and largest < far else [low, high]
    return np.asarray(rng.choice(np.array(ends), sample.shape))


def _not_numbers(rng: np.random.Generator, numbers: Tensor) -> Tensor:
    """At least one of them, at places of their own."""
    if not is_float(numbers) or not numbers.size:
        return numbers
    changed = numbers.copy()
    count = max(1, numbers.size // _SPARSE)
    places = rng.choice(numbers.size, count, replace=False)
    odd = np.array([np.nan, np.inf, -np.inf]).astype(numbers.dtype)
    changed.reshape(-1)[places] = odd[np.arange(count) % len(odd)]
    return changed


def _opposite(numbers: Tensor, odd: Tensor) -> Tensor:
    """Numbers far on the other side of zero where `odd` has none."""
    if not is_float(numbers):
        return numbers
    wide = numbers.astype(np.float64)
    far = 1 + 2 * _range(numbers)[2]
    there = np.isfinite(odd.astype(np.float64))
    return np.asarray(np.where(there, wide, np.where(wide > 0, -far, far)), numbers.dtype)


def _other_integers(rng: np.random.Generator, sample: Tensor) -> Tensor:
    if _is_data(sample):
        info = np.iinfo(sample.dtype)
        return np.asarray(rng.integers(info.min, info.max, sample.shape, endpoint=True))
    if sample.dtype == np.bool_ and sample.size and sample.all():  # as made-up ones are
        return np.asarray(rng.random(sample.shape) < 0.5)
    return _reordered(rng, sample)


def _reordered(rng: np.random.Generator, sample: Tensor) -> Tensor:
    return rng.permutation(sample.reshape(-1)).reshape(sample.shape)


def _shaken(rng: np.random.Generator, array: Tensor, sample: Tensor, by: float) -> Tensor:
    wide = array.astype(np.float64)
    change = by * rng.uniform(-1, 1, array.shape)
    around = wide if np.any(wide) else np.full(array.shape, _range(sample)[2] or 1.0)
    with np.errstate(invalid="ignore"):  # an infinity stays one
        shaken = wide + np.where(np.isfinite(around), around * change, 0.0)
    return np.asarray(shaken, array.dtype)


def _range(sample: Tensor) -> tuple[float, float, float]:
    """The least and the largest of its numbers, and the largest size of any."""
    wide = sample.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    if not finite.size:
        return 0.0, 0.0, 0.0
    return float(finite.min()), float(finite.max()), float(np.abs(finite).max())


def _largest_of(dtype: "np.dtype[np.generic]") -> float:
    return 6e4 if dtype.itemsize <= 2 else 3e38


def _is_data(sample: Tensor) -> bool:
    return sample.dtype.kind in "iu" and 8 * sample.dtype.itemsize <= _DATA_BITS


def _same(one: Feeds, other: Feeds) -> bool:
    return all(_equal(array, other[name]) for name, array in one.items())


def _equal(one: Tensor, other: Tensor) -> bool:
    if is_float(one):
        return np.array_equal(one.astype(np.float64), other.astype(np.float64), equal_nan=True)
    return np.array_equal(one, other)
