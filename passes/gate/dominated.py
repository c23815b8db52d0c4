"""Leave out whole plans of lower precision that another device beats in time and in error, by far:
building and checking one takes longer than anything else in a compile.

    by the costs           time      error
    openvino.f32           30 ms     0         built
    cpu.int8.parallel      60 ms     2 %       left out: twice the time, and further off
    openvino.int8          25 ms     1 %       built
    cpu.int4.parallel      20 ms     15 %      built: it is the fastest, so its error is measured

The costs are those of nodes by themselves, and engines fuse: so only devices that run everything
are held against each other, and what is nearly as fast is built.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from stagecut.compiler.ir.contender import ContenderId, ContenderKind
from stagecut.compiler.ir.costs import ERROR
from stagecut.passes.gate.contenders import Proposal

#: How many times as long it has to take, and how much longer.
_TIMES, _LONGER_S = 1.5, 1e-3


@dataclass(frozen=True, slots=True)
class Dominated:
    """A proposal that another one beats."""

    proposal: Proposal
    by: Proposal

    def __str__(self) -> str:
        times = self.proposal.account.latency_s / self.by.account.latency_s
        return f"{self.proposal.name} ({times:.1f} times as long as {self.by.name})"


def dominated(proposals: Sequence[Proposal]) -> tuple[Dominated, ...]:
    """Those that may be left out, each with the fastest that beats it."""
    whole = [each for each in proposals if any(map(_is_single, each.ids))]
    no_more = [each for each in whole if all(map(_is_single, each.ids))]
    found = []
    for each in no_more:
        better = [other for other in whole if _beats(other, each)]
        if better:
            found.append(Dominated(each, min(better, key=lambda b: b.account.latency_s)))
    return tuple(found)


def _is_single(id_: ContenderId) -> bool:
    """Whether it is everything on one device."""
    return id_.kind is ContenderKind.SINGLE


def _beats(one: Proposal, other: Proposal) -> bool:
    quick_s, slow_s = one.account.latency_s, other.account.latency_s
    slower = slow_s > _TIMES * quick_s > 0 and slow_s > quick_s + _LONGER_S
    return slower and 0 < _error(other) >= _error(one)


def _error(proposal: Proposal) -> float:
    return proposal.account.uses.get(ERROR, 0.0)
