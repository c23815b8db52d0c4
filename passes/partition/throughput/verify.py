"""Check a stream's certificate, step by step, with nothing of the solver's.

Whoever claims that no pipeline is faster than the period P hands in a number for every set of nodes
that may have run, the potential pi. It is a proof if

    pi({}) <= 0
    pi(J) <= pi(I) + cores * (floor(T / (batch * P)) + 1)      for all sets I < J and all devices
    pi(everything) > units

as then the stages of a pipeline with a shorter period, along whose sets the second line adds up,
take more units than there are. With several resources the potential depends on the units that may
be used of all but the one with the most. Times are rounded to the certificate's own ticks, as the
solver's are; everything else is whole numbers of any length.
"""

import math
from collections.abc import Iterator, Mapping
from itertools import product

from stagecut.compiler.ir.costs import CostTable, NodeCosts
from stagecut.compiler.ir.errors import CertificateError
from stagecut.compiler.ir.machine import HOST, Device, Route
from stagecut.compiler.ir.stream import StreamCertificate

#: Units of each lesser resource that may be used, in the order of the machine's resources.
_State = tuple[int, ...]


def verify(table: CostTable, certificate: StreamCertificate) -> None:
    """Raises CertificateError, which says where, for a certificate that proves nothing."""
    if not certificate.period:
        return  # nothing is faster than no time at all
    _Verifier(table, certificate)()


class _Verifier:
    def __init__(self, table: CostTable, certificate: StreamCertificate) -> None:
        self._table = table
        self._period = certificate.period
        self._tick_s = certificate.tick_s
        units = table.machine.units_of
        self._main = max(units, key=lambda name: units[name])
        self._others = [name for name in units if name != self._main]
        self._states = [
            tuple(reversed(digits))
            for digits in product(*(range(units[name] + 1) for name in reversed(self._others)))
        ]
        whole = certificate.scope == "schedules with contiguous stages"
        self._ideals = [*(_all_ideals(table) if whole else _prefixes(table))]
        if len(certificate.potentials) != len(self._ideals) or any(
            len(row) != len(self._states) for row in certificate.potentials
        ):
            raise _refused(
                f"it has {len(certificate.potentials)} rows of potentials; there are "
                f"{len(self._ideals)} sets that may have run, in {len(self._states)} states"
            )
        self._potential: Mapping[frozenset[int], Mapping[_State, int]] = {
            ideal: dict(zip(self._states, row, strict=True))
            for ideal, row in zip(self._ideals, certificate.potentials, strict=True)
        }

    def __call__(self) -> None:
        if any(value > 0 for value in self._potential[frozenset()].values()):
            raise _refused("the potential of the empty set is more than 0")
        units = self._table.machine.units_of
        full = tuple(units[name] for name in self._others)
        if self._potential[self._ideals[-1]][full] <= units[self._main]:
            raise _refused("the potential of all nodes is no more than the units that there are")
        for end in self._ideals:
            for start in self._ideals:
                if start < end:
                    self._check(start, end)

    def _check(self, start: frozenset[int], end: frozenset[int]) -> None:
        """No stage from `start` to `end` takes fewer units than the potentials differ by."""
        nodes = [self._table.nodes[index] for index in sorted(end - start)]
        before, after = self._potential[start], self._potential[end]
        for device in self._table.machine.devices:
            ticks = self._ticks(nodes, start, end, device)
            if ticks is None:
                continue
            units = device.cores * (math.floor(ticks / (device.batch * self._period)) + 1)
            for state in self._states:
                spent, least = self._spend(state, device, units)
                if spent is not None and after[state] > before[spent] + least:
                    raise _refused(
                        f"a stage of {nodes[0].name} to {nodes[-1].name} on {device.name} takes "
                        f"{units} units, and the potentials differ by more"
                    )

    def _spend(self, state: _State, device: Device, units: int) -> tuple[_State | None, int]:
        """What may be left of the lesser resources before the stage, None where there are too
        few; and the units of the main resource that it takes."""
        if device.keeps_busy == self._main:
            return state, units
        at = self._others.index(device.keeps_busy)
        if state[at] < units:
            return None, 0
        return (*state[:at], state[at] - units, *state[at + 1 :]), 0

    def _ticks(
        self, nodes: list[NodeCosts], start: frozenset[int], end: frozenset[int], device: Device
    ) -> int | None:
        """Of a call of these nodes on the device; None where it cannot run them."""
        if any(device.name not in node.run_s for node in nodes):
            return None
        total = round(device.stage_s / self._tick_s)
        total += sum(round(node.run_s[device.name] / self._tick_s) for node in nodes)
        if device.memory == HOST:
            return total
        brought = {name for node in nodes for name in node.inputs if self._is_there(name, start)}
        wanted = {end_.name for end_ in self._table.outputs} | {
            name
            for index, node in enumerate(self._table.nodes)
            if index not in end
            for name in node.inputs
        }
        taken = {name for node in nodes for name in node.outputs if name in wanted}
        for names, route in (
            (brought, Route(HOST, device.memory)),
            (taken, Route(device.memory, HOST)),
        ):
            for name in names:
                cost = self._table.transfer(name, route)
                if cost is None:
                    return None
                total += device.batch * round(cost.time_s / self._tick_s)
        return total

    def _is_there(self, name: str, done: frozenset[int]) -> bool:
        """Whether a value lies with the host when these nodes have run."""
        if name not in self._table.producer:
            return any(end.name == name for end in self._table.inputs)
        return any(name in self._table.nodes[index].outputs for index in done)


def _prefixes(table: CostTable) -> Iterator[frozenset[int]]:
    for count in range(len(table.nodes) + 1):
        yield frozenset(range(count))


def _all_ideals(table: CostTable) -> Iterator[frozenset[int]]:
    """By size, of equals by their masks: the order in which certificates list them."""
    index = {node.name: at for at, node in enumerate(table.nodes)}
    needs = [
        {index[table.producer[name]] for name in node.inputs if name in table.producer}
        for node in table.nodes
    ]
    level = {frozenset[int]()}
    while level:
        yield from sorted(level, key=lambda ideal: sum(1 << node for node in ideal))
        level = {
            ideal | {node}
            for ideal in level
            for node in range(len(needs))
            if node not in ideal and needs[node] <= ideal
        }


def _refused(problem: str) -> CertificateError:
    return CertificateError(
        problem, where="certificate", fix="solve the table again: this proves nothing"
    )
