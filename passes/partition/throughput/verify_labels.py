"""Check the proof that nothing within limits has a shorter period, stretch by stretch.

For the periods from one P' to another P, what a stage takes at the least are the units of as many
replicas as keep the period shorter than P; of a latency its call and the wait for its batch, which
is (batch - 1) * P' ticks or more; of the memory what it and these replicas hold; of a budget what
it uses for an input. The labels of each
set of nodes that may have run, and what is left to the rest, are a proof that no pipeline within
the limits has such a period if for all sets I < J and all devices

    rest(everything) is nowhere more than nothing, nor
    rest(I) than what a stage from I to J takes and rest(J) together: no pipeline takes less;
    some label of {} is nowhere more than nothing, and
    some label of J than a label of I and what a stage from I to J takes, unless these leave less
    than rest(J) of what there is: each pipeline takes as much as a label;
    all nodes have no label: there is no pipeline
"""

from collections.abc import Iterable
from fractions import Fraction

from stagecut.compiler.ir.costs import ENERGY
from stagecut.compiler.ir.machine import HOST
from stagecut.compiler.ir.stream_certificate import (
    LATENCY,
    MEMORY,
    WEIGHTS,
    Label,
    Limit,
    StreamCertificate,
    Stretch,
)
from stagecut.passes.partition.throughput.definition import Definition, StageBetween, refused


def verify_stretches(definition: Definition, certificate: StreamCertificate) -> None:
    """Raises CertificateError unless the stretches reach from 0 to the certificate's period."""
    for limit in certificate.limits:
        _check_limit(definition, limit)
    reached = Fraction(0)
    for stretch in certificate.stretches:
        if stretch.below < reached:
            raise refused("a stretch of periods ends before it begins")
        _verify_stretch(definition, certificate.limits, stretch, int(reached))
        reached = stretch.below
    if reached != certificate.period:
        raise refused("the stretches of periods do not reach up to the period")


def _check_limit(definition: Definition, limit: Limit) -> None:
    """Some limits are the table's alone, and others may be asked for."""
    table = definition.table
    if limit.name == ENERGY:
        table.require_energy()
    own: dict[str, float | None] = {budget.name: budget.limit for budget in table.budgets}
    own[WEIGHTS] = table.machine.memory_named[HOST].capacity_bytes
    known = own.get(limit.name)
    if limit.name not in {LATENCY, MEMORY, ENERGY} and (known is None or limit.most < known):
        raise refused(f"the table allows more than {limit}")


def _verify_stretch(
    definition: Definition, limits: tuple[Limit, ...], stretch: Stretch, wait: int
) -> None:
    ideals = definition.ideals
    room = (*(kind.units for kind in definition.kinds), *map(definition.allowed, limits))
    every = (*stretch.rest, *(label for some in stretch.labels for label in some))
    if {len(stretch.labels), len(stretch.rest)} != {len(ideals)} or any(
        len(label) != len(room) for label in every
    ):
        raise refused(
            f"it has labels for {len(stretch.labels)} sets that may have run, of which there are "
            f"{len(ideals)}, with {len(room)} numbers each"
        )
    nothing = (0,) * len(room)
    labels = dict(zip(ideals, stretch.labels, strict=True))
    rest = dict(zip(ideals, stretch.rest, strict=True))
    if not _is_covered(nothing, (rest[ideals[-1]],)):
        raise refused("something is left to do when all nodes have run")
    if _fits(nothing, rest[ideals[0]], room) and not _is_covered(nothing, labels[ideals[0]]):
        raise refused("every label of the empty set is more than nothing")
    if labels[ideals[-1]]:
        raise refused("there is a label of all nodes")
    for end in ideals:
        for start in ideals:
            if not start < end:
                continue
            stage = definition.stage(start, end)
            for taken, device in _taken(definition, limits, stage, stretch.below, wait):
                if not _is_covered(_sum(taken, rest[end]), (rest[start],)):
                    raise refused(f"a stage of {_named(stage)} on {device} leaves more to the rest")
                for label in labels[start]:
                    reached = _sum(label, taken)
                    if _fits(reached, rest[end], room) and not _is_covered(reached, labels[end]):
                        raise refused(
                            f"a stage of {_named(stage)} on {device} takes less than labels say"
                        )


def _taken(
    definition: Definition,
    limits: tuple[Limit, ...],
    stage: StageBetween,
    below: Fraction,
    wait: int,
) -> Iterable[tuple[Label, str]]:
    """What the stage takes at the least, by device."""
    for kind, device in definition.columns:
        replicas = stage.replicas(kind, device, below)
        if replicas is not None:
            units = [0] * len(definition.kinds)
            units[kind] = stage.units(kind, device, replicas)
            amounts = (stage.amount(limit, device, replicas, wait) for limit in limits)
            yield (*units, *amounts), device.name


def _sum(one: Label, other: Label) -> Label:
    return tuple(map(int.__add__, one, other))


def _fits(taken: Label, rest: Label, room: Label) -> bool:
    """Whether what was taken leaves enough for the rest."""
    return _is_covered(room, (_sum(taken, rest),))


def _is_covered(reached: Label, labels: tuple[Label, ...]) -> bool:
    """Whether some label is nowhere more."""
    return any(all(map(int.__le__, label, reached)) for label in labels)


def _named(stage: StageBetween) -> str:
    return f"{stage.nodes[0].name} to {stage.nodes[-1].name}"
