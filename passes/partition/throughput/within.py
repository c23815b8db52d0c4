"""The least period within limits, and the stretches of periods that are ruled out below it.

How long an input waits for its batch depends on the period, so that what a pipeline takes of a
latency depends on what is looked for. With waits as short as in a period P, nothing is ruled out
that keeps to the limits at P or above. Hence:

    waits of 0:      nothing is shorter than 3 ms; the pipeline that is found keeps to the limits
                     with waits of 0, and not with those of 3 ms
    waits of 3 ms:   nothing from 3 ms on is shorter than 5 ms; it keeps to them with waits of 5 ms
    -> 5 ms, proved by the stretches below 3 ms and from 3 to 5 ms
"""

import math
from dataclasses import dataclass, replace
from fractions import Fraction

from stagecut.compiler.ir.amounts import MOST
from stagecut.compiler.ir.stream_certificate import LATENCY, Limit, Stretch
from stagecut.passes.partition.throughput.amounts import Amounts
from stagecut.passes.partition.throughput.labels import MOST_LABELS, LabelProbe
from stagecut.passes.partition.throughput.model import MOST_BYTES
from stagecut.passes.partition.throughput.probe import Part, Probe
from stagecut.passes.partition.throughput.search import shortest

#: By so much longer periods are tried, until one can be kept.
_LONGER = Fraction(5, 4)


@dataclass(frozen=True)
class Within:
    """Pipelines that keep to `limits`."""

    probe: Probe
    limits: tuple[Limit, ...]
    most_labels: int = MOST_LABELS

    def fastest(self, low: Fraction) -> tuple[tuple[Part, ...], tuple[Stretch, ...], bool]:
        """A pipeline with the least period, and the proof; none where there is none. `low` is a
        period that none goes below. The last part says whether the search left nothing out: where
        it did, the pipeline is one, and nothing is proved."""
        stretches: list[Stretch] = []
        wait, complete = 0, True
        while True:
            probe = self._labels(wait, self.probe.main)
            start, whole = self._start(probe, low)
            complete &= whole
            if not start:
                return (), (), complete
            if not probe.period(start):
                return start, (), True  # nothing is shorter than 0
            parts, labels = shortest(probe, start, low)
            low = probe.period(parts)
            complete &= labels.complete
            stretches.append(labels.stretch(low))
            if wait == int(low) or not self.exceeded(parts):
                return self._preferred(parts, self.probe.main), tuple(stretches), complete
            wait = int(low)

    def exceeded(self, parts: tuple[Part, ...]) -> tuple[Limit, ...]:
        """The limits that a pipeline does not keep to at its own period."""
        wait = int(self.probe.period(parts))
        return Amounts(self.probe.calls, self.limits, wait).exceeded(parts)

    def _start(self, probe: LabelProbe, low: Fraction) -> tuple[tuple[Part, ...], bool]:
        """A pipeline to begin with: the first that longer and longer periods allow."""
        period = max(low, Fraction(1))
        while True:
            period = min(period, self.probe.longest)
            labels = probe.potentials(period, strict=False)
            if probe.can_keep(labels):
                return probe.parts(labels, period, strict=False), True
            if period == self.probe.longest:
                return (), labels.complete
            period = Fraction(math.ceil(period * _LONGER))

    def thriftiest(self, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        """With no longer a period than `parts` have, what takes the least of the last limit."""
        return self._preferred(parts, -1)

    def least(self, low: Fraction) -> tuple[float, tuple[Part, ...]]:
        """What must be taken of the last limit by all that keeps to the others, in its seconds,
        bytes or budget, and a pipeline that takes little of it."""
        *others, last = self.limits
        unlimited = self._unlimited(last)
        free = replace(self, limits=(*others, unlimited))
        probe = free._labels(int(low), -1)
        labels = probe.potentials(self.probe.longest, strict=False)
        least = int(labels.last[:, -1].min())
        parts = probe.parts(labels, self.probe.longest, strict=False)
        return least * probe.amounts.unit(unlimited), free.thriftiest(parts)

    def _unlimited(self, limit: Limit) -> Limit:
        if limit.is_budget:
            return replace(limit, most=self.probe.calls.costs.uses[limit.name].most)
        return replace(limit, most=MOST if limit.name == LATENCY else MOST_BYTES)

    def _preferred(self, parts: tuple[Part, ...], column: int) -> tuple[Part, ...]:
        """The same period, or a shorter one, with as little as can be of a column of the labels."""
        period = self.probe.period(parts)
        if not period:
            return parts
        probe = self._labels(int(period), column)
        labels = probe.potentials(period, strict=False)
        return probe.parts(labels, period, strict=False) if probe.can_keep(labels) else parts

    def _labels(self, wait: int, first: int) -> LabelProbe:
        amounts = Amounts(self.probe.calls, self.limits, wait)
        columns = len(self.probe.calls.costs.units) + len(self.limits)
        return LabelProbe(self.probe, amounts, first % columns, self.most_labels)
