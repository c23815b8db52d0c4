"""Products with a state: the keys and values of earlier tokens, which lie in the PIM's memory.

What a step does with those of one layer, of `rows` queries for each of `heads` pairs of keys and
values of `size` numbers, behind `length` tokens:

    append    a row of `size` for each head
    scores    rows x [size, length]      a product with a weight, to a PIM: inner size, outer length
    mix       rows x [length, size]      inner length, outer size

The heads are multiplied one after the other, each on all channels, or side by side, each on its
share of them: whichever is faster. Keys lie so that one of them is a run of numbers in one row of a
bank, and appending it is the transfer that is counted for it anyway. Of the values, each number of
a new one belongs to another output, and is written in a burst of its own.
"""

import math
from collections.abc import Callable

import numpy as np

from stagecut.backends.pim.architecture import Architecture, Cost, Spent
from stagecut.backends.pim.numerics import Multiply
from stagecut.backends.pim.work import StateProduct
from stagecut.backends.stacks import batched
from stagecut.compiler.ir.device import Tensor


def state_cost(architecture: Architecture, work: StateProduct) -> Cost:
    """Time and energy of all heads, with what appending costs beyond its transfer. The memory that
    the state takes is not the node's: a sequence takes it as a whole."""
    whole = architecture.cost(work.of_head)
    run_s = min(work.heads * whole.spent.run_s, _side_by_side_s(architecture, work))
    run_s += _scattered_s(architecture, work)
    spent = Spent(run_s, work.heads * whole.spent.energy_j)
    return Cost(whole.plain, whole.chosen, spent, load_s=0.0, weight_bytes=0)


def _side_by_side_s(architecture: Architecture, work: StateProduct) -> float:
    share = architecture.share(work.heads)
    return math.inf if share is None else share.cost(work.of_head).spent.run_s


def _scattered_s(architecture: Architecture, work: StateProduct) -> float:
    if not work.is_sum_of_rows:
        return 0.0
    numbers, write = work.of_head.outer * work.heads, architecture.write
    return max(0.0, write(architecture.burst_elements * numbers).run_s - write(numbers).run_s)


def times_state(multiplier: Callable[[Tensor], Multiply], left: Tensor, right: Tensor) -> Tensor:
    """[..., rows, inner] x [..., inner, outer], a head at a time, as the device's units add up."""

    def by_head(lefts: Tensor, rights: Tensor) -> Tensor:
        pairs = zip(lefts, rights, strict=True)
        return np.stack([multiplier(keys)(rows) for rows, keys in pairs])

    return batched(by_head, left, right)
