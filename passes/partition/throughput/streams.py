"""The pipelines of a table: the fastest within limits, and what is proved of it.

The limits are taken one by one: first the fastest pipeline of all is looked for; if it exceeds a
limit, the fastest within that one; and so on. What is proved within some limits holds within all.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import islice
from typing import TypeAlias

import numpy as np

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.solution import meets
from stagecut.compiler.ir.stream import StreamSchedule, StreamSolution, stream_account, stream_of
from stagecut.compiler.ir.stream_certificate import (
    LATENCY,
    TOLERANCE,
    WEIGHTS,
    Limit,
    StreamCertificate,
    Stretch,
)
from stagecut.passes.partition.orders.precedence import Precedence
from stagecut.passes.partition.throughput.bounds import least_period
from stagecut.passes.partition.throughput.lattice import Lattice, members
from stagecut.passes.partition.throughput.model import Calls, StreamCosts
from stagecut.passes.partition.throughput.probe import Part, Probe
from stagecut.passes.partition.throughput.search import shortest
from stagecut.passes.partition.throughput.within import Within

#: Prefixes are looked at first where there are so many times as many other sets of nodes.
_FEWER = 3

#: So many streams are looked at for the least latency that can be had, where nothing keeps to one.
_MOST_WALKED = 10

#: A pipeline, and what is proved of it.
Found: TypeAlias = tuple[tuple[Part, ...], StreamCertificate]


@dataclass(frozen=True, slots=True)
class NothingWithin:
    """No pipeline keeps to `limits`, though some do to all but the last; or none was found."""

    limits: tuple[Limit, ...]
    proved: bool


@dataclass(frozen=True)
class Streams:
    """The pipelines of a table, and what is known of all of them: `bound` (ticks) is a period that
    no schedule goes below."""

    table: CostTable
    probe: Probe
    bound: float

    @classmethod
    def of(cls, table: CostTable) -> "Streams":
        costs = StreamCosts.of(table)
        lattice = Lattice.of(Precedence.of(table))
        return cls(table, Probe(Calls(costs, lattice)), least_period(costs))

    def solution(self, limits: tuple[Limit, ...]) -> StreamSolution:
        """The fastest within all of `limits`; raises UnplaceableError where there is none."""
        found = self.fastest(limits, self.unlimited)
        if isinstance(found, NothingWithin):
            raise self.error(found, limits)
        return self.as_solution(*found)

    def fastest(self, limits: tuple[Limit, ...], known: Found) -> "Found | NothingWithin":
        """Within all of `limits`, where `known` is the fastest within none of them, or within some
        that are no tighter. Those that it keeps to anyway are left out of the search, which makes
        what is proved the stronger."""
        parts, certificate = known
        held: tuple[Limit, ...] = ()
        while exceeded := Within(self.probe, limits).exceeded(parts):
            held = (*held, exceeded[0])
            found, stretches, complete = Within(self.probe, held).fastest(certificate.period)
            if not found:
                return NothingWithin(held, complete)
            parts, period = found, self.probe.period(found)
            certificate = (
                self._certificate(period, (), held, stretches)
                if complete
                else replace(certificate, found=period)
            )
        return parts, certificate

    @cached_property
    def unlimited(self) -> Found:
        """The fastest where nothing is limited."""
        probe = self.probe
        parts = _replicas_of_all(probe) or _any_pipeline(probe)
        parts = min(parts, _in_order(probe, parts, Fraction(int(self.bound))), key=probe.period)
        potentials = np.empty((0, probe.states), dtype=np.int64)  # nothing is shorter than 0
        if probe.period(parts):
            parts, potentials = shortest(probe, parts, Fraction(int(self.bound)))
        period = probe.period(parts)
        if period:  # the same period with as few units as can be
            parts = probe.parts(probe.potentials(period, strict=False), period, strict=False)
        else:
            potentials = potentials[:0]
        return parts, self._certificate(period, tuple(map(tuple, potentials.tolist())))

    def _certificate(
        self,
        period: Fraction,
        potentials: tuple[tuple[int, ...], ...],
        limits: tuple[Limit, ...] = (),
        stretches: tuple[Stretch, ...] = (),
    ) -> StreamCertificate:
        calls = self.probe.calls
        return StreamCertificate(
            period,
            calls.costs.tick_s,
            potentials,
            "schedules with contiguous stages"
            if calls.lattice.complete
            else "contiguous stages in the graph's order",
            min(self.bound, float(period)) * calls.costs.tick_s,
            limits,
            stretches,
        )

    def as_solution(
        self, parts: tuple[Part, ...], certificate: StreamCertificate
    ) -> StreamSolution:
        stream = self._stream(parts)
        account = stream_account(self.table, stream)
        if not certificate.tells(len(self.table.nodes), account.period_s):
            raise self._too_far_apart()
        return StreamSolution(stream, account, certificate, self.probe.calls.stages)

    def _stream(self, parts: tuple[Part, ...]) -> StreamSchedule:
        names = [node.name for node in self.table.nodes]
        ideals = self.probe.calls.lattice.ideals
        free = [iter(devices) for devices in self.probe.calls.costs.devices]
        stages = []
        for part in parts:
            devices = self.probe.calls.costs.devices[part.device]
            device = next(free[part.device]) if len(devices) > 1 else devices[0]
            inside = members(ideals[part.end] & ~ideals[part.start])
            stages.append(Stage(device, tuple(names[node] for node in inside)))
        return stream_of(self.table, stages, [part.replicas for part in parts])

    def walk(
        self, found: "Found | NothingWithin", others: tuple[Limit, ...], step: float
    ) -> Iterator[StreamSolution]:
        """From a pipeline that keeps to the `others`: of those as fast the one with the least
        latency, then the fastest whose latency is shorter by `step`, and so on. Raises
        UnplaceableError where latencies are nothing beside what else the table has."""
        most_s = math.inf
        while not isinstance(found, NothingWithin):
            parts, certificate = found
            latency_s = self.as_solution(parts, certificate).account.latency_s
            within = Within(self.probe, (*others, Limit(LATENCY, latency_s)))
            point = self.as_solution(within.thriftiest(parts), certificate)
            if point.account.latency_s > most_s * (1 + 2 * TOLERANCE):
                raise self._too_far_apart()
            yield point
            if not point.account.latency_s:
                return
            most_s = point.account.latency_s * (1 - max(step, 2 * TOLERANCE))
            found = self.fastest((*others, Limit(LATENCY, most_s)), found)

    def _too_far_apart(self) -> UnplaceableError:
        return UnplaceableError(
            f"times below {self.probe.calls.costs.tick_s:.3g} s are nothing beside the longest of "
            "the table: streams cannot be told from each other",
            where="nodes",
            fix="leave out what takes so long that nobody would wait for it",
        )

    def _low_latency(
        self, parts: tuple[Part, ...], others: tuple[Limit, ...], least_s: float
    ) -> float:
        """Seconds that some pipeline takes; none takes less than `least_s`."""
        found = (parts, self.unlimited[1])
        low_s = math.inf
        for point in islice(self.walk(found, others, 0.0), _MOST_WALKED):
            low_s = point.account.latency_s
            if meets(low_s, least_s):
                break
        return low_s

    def error(self, nothing: "NothingWithin", limits: tuple[Limit, ...]) -> UnplaceableError:
        """What to tell: the best that can be had, within the others of `limits`, of the last of
        those within which there is nothing."""
        *held, last = nothing.limits
        beside = f" within {' and '.join(map(str, held))}" if held else ""
        where = "memory host" if last.name == WEIGHTS else f"limit of {last.name}"
        if not nothing.proved:
            return UnplaceableError(
                f"no stream was found that keeps to {last}{beside}, and there may be one",
                where=where,
                fix="raise one of the limits",
            )
        others = tuple(limit for limit in limits if limit != last)
        if len(others) > len(held):
            beyond = self.fastest(others, self.unlimited)
            if isinstance(beyond, NothingWithin):
                return self.error(beyond, others)
        least, parts = Within(self.probe, (*others, last)).least(self.unlimited[1].period)
        had = replace(last, most=least)
        best = f"the least that can be had is {had}"
        if last.name == LATENCY:
            had = replace(last, most=self._low_latency(parts, others, least))
            best = f"the least that can be had is {had}"
            if not meets(had.most, least):
                best = f"all take {replace(last, most=least)} or more, and one takes {had}"
        return UnplaceableError(
            f"no stream keeps to {last}{beside}: {best}",
            where=where,
            fix=f"allow {had.exactly} or more",
        )


def _in_order(probe: Probe, parts: tuple[Part, ...], low: Fraction) -> tuple[Part, ...]:
    """The shortest that are stretches of the graph's own order, as far as they are known soon: of
    the prefixes there are far fewer than of other sets of nodes. `parts` where they are all."""
    lattice = probe.calls.lattice
    prefixes = lattice.prefixes
    if len(prefixes.ideals) * _FEWER > len(lattice.ideals):
        return parts
    ordered = Probe(Calls(probe.calls.costs, prefixes))
    index = {ideal: at for at, ideal in enumerate(lattice.ideals)}
    try:
        first = _replicas_of_all(ordered) or _any_pipeline(ordered)
    except UnplaceableError:
        return parts
    if not ordered.period(first):
        return parts
    found, _ = shortest(ordered, first, low)
    return tuple(
        replace(
            part,
            start=index[prefixes.ideals[part.start]],
            end=index[prefixes.ideals[part.end]],
        )
        for part in found
    )


def _replicas_of_all(probe: Probe) -> tuple[Part, ...]:
    """The best of one device running everything, in as many replicas as there is room for; none
    where no device can. Hard to beat where cores are equal and nothing is far away."""
    costs, everything = probe.calls.costs, len(probe.calls.lattice.ideals) - 1
    able = probe.calls.to(everything)[1][0]  # from the empty set
    replicas = np.minimum(costs.units[costs.group] // costs.cores, costs.most)
    whole = [
        (Part(0, everything, device, int(replicas[device])),)
        for device in range(len(able))
        if able[device] and replicas[device]
    ]
    return min(whole, key=probe.period, default=())


def _any_pipeline(probe: Probe) -> tuple[Part, ...]:
    """One with a single replica of each stage, in as few units as can be; raises UnplaceableError
    where even this takes more units than there are."""
    period = probe.longest
    potentials = probe.potentials(period, strict=False)
    if not probe.can_keep(potentials):
        raise UnplaceableError(
            "no pipeline fits: one replica of each stage takes more units than there are",
            where="resources",
            fix="raise the units of a resource, or let more nodes run on one device",
        )
    return probe.parts(potentials, period, strict=False)
