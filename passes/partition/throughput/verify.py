"""Check a stream's certificate, step by step, with nothing of the solver's.

Whoever claims that no pipeline is faster than the period P hands in a number for every set of nodes
that may have run, the potential pi. It is a proof if

    pi({}) <= 0
    pi(J) <= pi(I) + cores * (floor(T / (batch * P)) + 1)      for all sets I < J and all devices
    pi(everything) > units

as then the stages of a pipeline with a shorter period, along whose sets the second line adds up,
take more units than there are. With several kinds of devices the potential depends on the units
that may be used of all but the one with the most. Times are rounded to the certificate's own ticks,
as the solver's are; everything else is whole numbers of any length.

Where there are limits, labels stand for the potentials (verify_labels.py).
"""

from collections.abc import Mapping
from itertools import product

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.stream_certificate import StreamCertificate
from stagecut.passes.partition.throughput.definition import Definition, refused
from stagecut.passes.partition.throughput.verify_labels import verify_stretches

#: Units of each lesser kind that may be used, in the order of the kinds.
_State = tuple[int, ...]


def verify(table: CostTable, certificate: StreamCertificate) -> None:
    """Raises CertificateError, which says where, for a certificate that proves nothing."""
    if not certificate.period:
        return  # nothing is faster than no time at all
    definition = Definition(table, certificate.tick_s, certificate.scope)
    if certificate.tick_s > definition.coarsest_s:
        raise refused(
            f"its ticks of {certificate.tick_s:g} s are too coarse for costs that come to "
            f"{definition.total_s:g} s"
        )
    if certificate.limits or certificate.stretches:
        verify_stretches(definition, certificate)
    else:
        _Verifier(definition, certificate)()


class _Verifier:
    def __init__(self, definition: Definition, certificate: StreamCertificate) -> None:
        self._definition = definition
        self._period = certificate.period
        self._units = [kind.units for kind in definition.kinds]
        self._main = self._units.index(max(self._units))
        self._others = [at for at in range(len(self._units)) if at != self._main]
        self._states = [
            tuple(reversed(digits))
            for digits in product(*(range(self._units[at] + 1) for at in reversed(self._others)))
        ]
        if len(certificate.potentials) != len(definition.ideals) or any(
            len(row) != len(self._states) for row in certificate.potentials
        ):
            raise refused(
                f"it has {len(certificate.potentials)} rows of potentials; there are "
                f"{len(definition.ideals)} sets that may have run, in {len(self._states)} states"
            )
        self._potential: Mapping[frozenset[int], Mapping[_State, int]] = {
            ideal: dict(zip(self._states, row, strict=True))
            for ideal, row in zip(definition.ideals, certificate.potentials, strict=True)
        }

    def __call__(self) -> None:
        if any(value > 0 for value in self._potential[frozenset()].values()):
            raise refused("the potential of the empty set is more than 0")
        full = tuple(self._units[at] for at in self._others)
        ideals = self._definition.ideals
        if self._potential[ideals[-1]][full] <= self._units[self._main]:
            raise refused("the potential of all nodes is no more than the units that there are")
        for end in ideals:
            for start in ideals:
                if start < end:
                    self._check(start, end)

    def _check(self, start: frozenset[int], end: frozenset[int]) -> None:
        """No stage from `start` to `end` takes fewer units than the potentials differ by."""
        stage = self._definition.stage(start, end)
        before, after = self._potential[start], self._potential[end]
        for kind, device in self._definition.columns:
            replicas = stage.replicas(kind, device, self._period)
            if replicas is None:
                continue
            units = stage.units(kind, device, replicas)
            for state in self._states:
                spent, least = self._spend(state, kind, units)
                if spent is not None and after[state] > before[spent] + least:
                    raise refused(
                        f"a stage of {stage.nodes[0].name} to {stage.nodes[-1].name} on "
                        f"{device.name} takes {units} units, and the potentials differ by more"
                    )

    def _spend(self, state: _State, kind: int, units: int) -> tuple[_State | None, int]:
        """What may be left of the lesser kinds before the stage, None where there are too few; and
        the units of the main one that it takes."""
        if kind == self._main:
            return state, units
        at = self._others.index(kind)
        if state[at] < units:
            return None, 0
        return (*state[:at], state[at] - units, *state[at + 1 :]), 0
