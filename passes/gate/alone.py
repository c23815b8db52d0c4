"""Two heats, where devices offer other configurations for when they are alone.

    first heat     optimum 9   cpu 6   npu 5.5   cpu first 8
    second heat                cpu 6   npu 5.5   cpu (waiting=spin) 5.2   npu (pinning=on) 5.5

A plan of one stage has no other session to disturb, so that how its threads wait, how many there
are and where they run may be changed for it. The first heat says which contenders are near the
best, by their fastest runs: other work makes runs slower only. Single devices among these take part
in the second heat with every configuration that they offer, too, and there it is decided.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from stagecut.compiler.ir.contender import Contender, ContenderId, ContenderKind
from stagecut.compiler.ir.device import Feeds, StagedSchedule
from stagecut.compiler.ir.errors import EngineError
from stagecut.passes.gate.build import Built
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.gate.gate import CLEARLY, Gate, fastest_s, versus
from stagecut.passes.profile.rounds import LONG_S

#: How much slower than the best in the first heat a contender may be and still win: of long runs,
#: of which waiting is a small part, no more than puts it out of the second.
_NEAR, _NEAR_IF_LONG = 1.25, CLEARLY


@dataclass(frozen=True, slots=True)
class Result:
    """Of both heats: the contenders, one of them chosen, and what is said of those left out."""

    contenders: tuple[Contender, ...]
    built: tuple[Built, ...]
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alone:
    """`offered` are the configurations by device. `build` builds a proposal, whose stages are
    staged already, with its configuration; it raises EngineError where it fails."""

    gate: Gate
    offered: Mapping[str, Sequence[str]]
    build: Callable[[Proposal, StagedSchedule], Built]

    def __call__(self, built: Sequence[Built], feeds: Feeds) -> Result:
        """One heat where nobody offers anything."""
        if not any(self._configured(each.proposal) for each in built):
            return Result(self.gate(built, feeds), tuple(built))
        first = self.gate.qualifying(built, feeds)
        price = self.gate.objective.price
        most = most_behind(min(each.min_s for each in first))
        most *= min(price(contender.min_s, contender.energy_j) for contender in first)
        near = [
            each
            for contender, each in zip(first, built, strict=True)
            if price(fastest_s(contender, each), contender.energy_j) <= most
        ]
        more: list[Built] = []
        dropped: list[str] = []
        for each in near:
            for proposal in self._configured(each.proposal):
                try:
                    more.append(self.build(proposal, each.staged))
                except EngineError as error:
                    dropped.append(f"plan {proposal.name} is left out: {error.problem}")
        second = self.gate([*near, *more], feeds)
        return Result(_together(first, second), (*built, *more), tuple(dropped))

    def _configured(self, proposal: Proposal) -> Sequence[Proposal]:
        stages = proposal.schedule.stages
        if len(stages) != 1:
            return []
        device = stages[0].device
        return [
            Proposal(
                ContenderId(ContenderKind.SINGLE, device, configuration),
                proposal.schedule,
                proposal.account,
            )
            for configuration in self.offered.get(device, ())
        ]


def most_behind(best_s: float) -> float:
    """How much slower a contender may be where the best takes so long."""
    return _NEAR if best_s < LONG_S else _NEAR_IF_LONG


def _together(first: Sequence[Contender], second: Sequence[Contender]) -> tuple[Contender, ...]:
    """The figures of the second heat, and of those that were not in it those of the first."""
    chosen = next(contender for contender in second if contender.chosen)
    again = {contender.id for contender in second}
    once = [
        replace(each, chosen=False, trace=None, why=versus(each, chosen))
        for each in first
        if each.id not in again
    ]
    found = {each.id: each for each in (*once, *second)}
    order = dict.fromkeys(each.id for each in (*first, *second))
    return tuple(found[id_] for id_ in order)
