"""On which samples errors are measured, and on which others plans are held against the model.

    given samples           every other one for each
    the model's own sample  itself and its numbers in other orders, and in yet other orders

Numbers that stand at one place in inputs of one shape stay together (tokens and their mask). All is
seeded: the same samples give the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stagecut.compiler.ir.device import Feeds, Tensor

#: So many of each kind.
MOST_SAMPLES = 8
_MADE = 4


@dataclass(frozen=True, slots=True)
class Split:
    """`measured` are for the errors of nodes, `held_out` for those of plans. The latter are none
    where nothing differs from the former."""

    measured: tuple[Feeds, ...]
    held_out: tuple[Feeds, ...]


def split(own: Feeds, given: Sequence[Feeds] = ()) -> Split:
    """`own` is the model's own sample, `given` are those of the user, where there are any."""
    if len(given) > 1:
        return Split(tuple(given[::2][:MOST_SAMPLES]), tuple(given[1::2][:MOST_SAMPLES]))
    first = given[0] if given else own
    others: list[Feeds] = [first]
    for seed in range(1, 2 * _MADE):
        other = _reordered(first, seed)
        if not any(_same(other, known) for known in others):
            others.append(other)
    half = (len(others) + 1) // 2
    return Split(tuple(others[:half]), tuple(others[half:]))


def _reordered(samples: Feeds, seed: int) -> Feeds:
    return {name: _in_order(array, seed) for name, array in samples.items()}


def _in_order(array: Tensor, seed: int) -> Tensor:
    """An order for each shape, whatever its name."""
    order = np.random.default_rng((seed, *array.shape)).permutation(array.size)
    return np.asarray(array.reshape(-1)[order].reshape(array.shape))


def _same(one: Feeds, other: Feeds) -> bool:
    return all(array.tobytes() == other[name].tobytes() for name, array in one.items())
