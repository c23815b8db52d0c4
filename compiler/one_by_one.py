"""What a stream does now that runs its inputs one by one: what batches are held against.

The clock of a machine changes, and other work comes and goes: a period of some minutes ago says
little. So a stream that was compared then has another turn beside each size of batches.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stagecut.compiler.ir.contender import Contender, ContenderKind
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.measurements import Measurements
from stagecut.compiler.whole_replicas import ReadyReplicas
from stagecut.passes.gate.stream_contenders import StreamProposal


def periods_s(planned: PlannedVariant) -> Mapping[str, float]:
    """From one input to the next of whole replicas in threads, by device, the fastest first."""
    return {each.id.device: each.median_s for each in _whole(planned)}


def least_s(planned: PlannedVariant) -> Mapping[str, float]:
    """What these periods would be on CPUs that no other work took anything of, at the least: by the
    processor time of an input."""
    found = {}
    for each in _whole(planned):
        cores = planned.machine.device(each.id.device).cores * each.id.replicas
        cpu_s = each.median_s if each.cpu_s is None else each.cpu_s / cores
        found[each.id.device] = min(each.median_s, cpu_s)
    return found


def _whole(planned: PlannedVariant) -> Sequence[Contender]:
    found = (
        each
        for each in planned.contenders
        if each.id.kind is ContenderKind.SINGLE
        and each.id.hosting == "threads"
        and not each.id.configuration
        and each.accounting == "measured"
    )
    return sorted(found, key=lambda each: each.median_s)


@dataclass(frozen=True, slots=True)
class OneByOne:
    """`shipped_s` was the period of what ships, when `whole` replicas, which have run since, had
    `known_s`."""

    whole: ReadyReplicas
    shipped_s: float
    known_s: float

    @classmethod
    def of(
        cls,
        planned: PlannedVariant,
        measurements: Measurements,
        proposals: Sequence[StreamProposal],
    ) -> "OneByOne | None":
        """With the fastest whole replicas; None where none were measured, or they do not run."""
        for contender in _whole(planned)[:1]:
            try:
                ready = ReadyReplicas.on(contender.id.device, measurements, proposals)
            except EngineError:
                return None
            return cls(ready, planned.shipped.median_s, contender.median_s)
        return None

    def period_s(self) -> float:
        """Of what ships, by another turn of the replicas. Raises EngineError."""
        return self.whole.turn().run.period_s * self.shipped_s / self.known_s
