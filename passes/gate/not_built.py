"""Leave out whole plans of lower precision that cannot ship: building and checking one takes longer
than anything else in a compile.

    by the costs           time      error     within 5 %
    openvino.f32           30 ms     0         built
    cpu.int8.parallel      60 ms     2 %       left out: twice the time, and no nearer
    openvino.int8          25 ms     1 %       built
    cpu.int4.parallel      20 ms     15 %      built: it is the fastest, so its error is measured

The costs are those of nodes by themselves, and engines fuse: so only devices that run everything
are held against each other, and what is nearly as fast is built. Predicted errors are rarely off by
half: what is many times further off than it may be is not built, either.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stagecut.compiler.ir.contender import ContenderId, ContenderKind
from stagecut.compiler.ir.costs import ERROR
from stagecut.passes.gate.contenders import Proposal

#: How many times as long it has to take as another one, and how much longer.
_TIMES, _LONGER_S = 1.5, 1e-3

#: How many times further off than it may be.
_BEYOND = 20.0


@dataclass(frozen=True, slots=True)
class NotBuilt:
    """A proposal that is left out, and why."""

    proposal: Proposal
    why: str

    def __str__(self) -> str:
        return f"{self.proposal.name} ({self.why})"


def not_built(proposals: Sequence[Proposal], tolerance: float | None) -> tuple[NotBuilt, ...]:
    """Those that may be left out; `tolerance` is the relative rms error that plans may have, None
    where that is not what limits them."""
    whole = [each for each in proposals if any(map(_is_single, each.ids))]
    found = []
    for each in (each for each in whole if all(map(_is_single, each.ids))):
        better = [other for other in whole if _beats(other, each)]
        off = math.sqrt(_error(each))
        if better:
            best = min(better, key=lambda other: other.account.latency_s)
            times = each.account.latency_s / best.account.latency_s
            found.append(NotBuilt(each, f"{times:.1f} times as long as {best.name}, and no nearer"))
        elif tolerance is not None and off > _BEYOND * tolerance:
            found.append(NotBuilt(each, f"{100 * off:.2g} % off"))
    return tuple(found)


def _is_single(id_: ContenderId) -> bool:
    """Whether it is everything on one device."""
    return id_.kind is ContenderKind.SINGLE


def _beats(one: Proposal, other: Proposal) -> bool:
    quick_s, slow_s = one.account.latency_s, other.account.latency_s
    slower = slow_s > _TIMES * quick_s > 0 and slow_s > quick_s + _LONGER_S
    return slower and 0 < _error(other) >= _error(one)


def _error(proposal: Proposal) -> float:
    """The relative rms error that is predicted, squared."""
    return proposal.account.uses.get(ERROR, 0.0)
