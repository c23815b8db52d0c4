"""Check the proof that nothing within limits has a shorter period, stretch by stretch.

For the periods from one P' to another P, the labels of every set of nodes that may have run are a
proof that no pipeline within the limits has one of them if

    a label of {} is nowhere more than nothing;
    a label of I and what a stage from I to J takes, at the least, are nowhere less than some label
    of J, or more than there is: for all sets I < J, all labels and all devices;
    all nodes have no label

as then the stages of a pipeline, set by set, take more than there is somewhere. A stage takes the
units of as many replicas as keep the period shorter than P; of a latency its call and the wait for
its batch, which is at least (batch - 1) * P' ticks; of the memory what it and these replicas hold.
"""

from collections.abc import Iterable
from fractions import Fraction

from stagecut.compiler.ir.machine import HOST
from stagecut.compiler.ir.stream_certificate import Label, Limit, StreamCertificate, Stretch
from stagecut.passes.partition.throughput.definition import Definition, StageBetween, refused


def verify_stretches(definition: Definition, certificate: StreamCertificate) -> None:
    """Raises CertificateError unless the stretches reach from 0 to the certificate's period."""
    capacity = definition.table.machine.memory_named[HOST].capacity_bytes
    for limit in certificate.limits:
        if limit.name == "weights" and (capacity is None or limit.most < capacity):
            raise refused(f"the table allows more than {limit} in the host's memory")
    reached = Fraction(0)
    for stretch in certificate.stretches:
        if stretch.below < reached:
            raise refused("a stretch of periods ends before it begins")
        _verify_stretch(definition, certificate.limits, stretch, int(reached))
        reached = stretch.below
    if reached != certificate.period:
        raise refused("the stretches of periods do not reach up to the period")


def _verify_stretch(
    definition: Definition, limits: tuple[Limit, ...], stretch: Stretch, wait: int
) -> None:
    ideals = definition.ideals
    room = (*(kind.units for kind in definition.kinds), *map(definition.allowed, limits))
    labels = dict(zip(ideals, stretch.labels, strict=False))
    if len(stretch.labels) != len(ideals) or any(
        len(label) != len(room) for some in stretch.labels for label in some
    ):
        raise refused(
            f"it has labels for {len(stretch.labels)} sets that may have run, of which there are "
            f"{len(ideals)}, with {len(room)} numbers each"
        )
    if not _is_covered((0,) * len(room), labels[ideals[0]]):
        raise refused("every label of the empty set is more than nothing")
    if labels[ideals[-1]]:
        raise refused("there is a label of all nodes")
    for end in ideals:
        for start in ideals:
            if start < end and labels[start]:
                stage = definition.stage(start, end)
                for taken, name in _taken(definition, limits, stage, stretch.below, wait):
                    _check(labels[start], labels[end], taken, room, f"{_named(stage)} on {name}")


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


def _check(
    before: tuple[Label, ...], after: tuple[Label, ...], taken: Label, room: Label, stage: str
) -> None:
    for label in before:
        reached = tuple(map(sum, zip(label, taken, strict=True)))
        fits = all(amount <= most for amount, most in zip(reached, room, strict=True))
        if fits and not _is_covered(reached, after):
            raise refused(f"a stage of {stage} takes less than the labels differ by")


def _is_covered(reached: Label, labels: tuple[Label, ...]) -> bool:
    """Whether some label is nowhere more."""
    return any(all(map(int.__le__, label, reached)) for label in labels)


def _named(stage: StageBetween) -> str:
    return f"{stage.nodes[0].name} to {stage.nodes[-1].name}"
