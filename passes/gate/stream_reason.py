"""Why a pipeline lets more through than replicas of the whole model, or these than one call at a
time: as far as it was shown.

On equal cores, with costs that add up and nothing to transfer or to keep to, no pipeline is faster
than replicas of the whole: each input needs the same core-seconds, whoever spends them. Where one
is, something of this has to count, which is seen where it is taken away:

    several resources at once        the best stream with each of them alone       by the costs
    other numbers of threads         ... with one number of threads                by the costs
    other engines                    ... with one engine                           by the costs
    a limit, a memory that is full   ... without it: whole replicas                by the costs
    weights and values in caches,    what the stages took in a stream, and what    measured, where
      less traffic to memory           the whole did on the same device              both were run

The last two in the last line cannot be told apart by times. Throughout, the best stream is the
solver's, which proves that there is no better one.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from stagecut.compiler.ir.contender import Contender, ContenderId
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.machine import Device
from stagecut.compiler.ir.stream import StreamSolution
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.compiler.ir.units import seconds
from stagecut.passes.gate.stream_contenders import StreamProposal
from stagecut.passes.partition.restrict import without
from stagecut.passes.partition.throughput.throughput import Throughput

#: What is no more than this part is noise.
_NOISE = 0.02


def reason(
    table: CostTable,
    limits: Sequence[Limit],
    chosen: StreamProposal,
    wholes: Sequence[StreamProposal],
    seen: Mapping[ContenderId, Contender],
) -> str:
    """What counts for `chosen` beside `wholes`, the whole replicas that took part; `seen` are those
    that were measured. Empty where nothing was shown."""
    if len(chosen.stream.schedule.stages) < 2:
        return _of_replicas(table, chosen, wholes, seen)
    found = [
        *_facts(table, wholes),
        *_one_instead_of_several(table, limits, chosen),
        *_without_limits(table, limits, chosen),
        *_smaller_stages(chosen, wholes, seen),
    ]
    return f"a pipeline, as {'; '.join(found)}" if found else ""


def _of_replicas(
    table: CostTable,
    chosen: StreamProposal,
    wholes: Sequence[StreamProposal],
    seen: Mapping[ContenderId, Contender],
) -> str:
    """Beside one call at a time on more threads, where both were measured."""
    own = table.machine.device(chosen.stream.schedule.stages[0].device)
    count = sum(chosen.stream.replicas)
    singles = [
        (seen[each.id], table.machine.device(each.id.device))
        for each in wholes
        if each.id in seen and sum(each.stream.replicas) == 1
    ]
    wider = [
        (contender, device)
        for contender, device in singles
        if device.keeps_busy == own.keeps_busy and device.cores > own.cores
    ]
    if chosen.id not in seen or count < 2 or not wider:
        return ""
    ours_s, (single, device) = (
        seen[chosen.id].median_s,
        min(wider, key=lambda each: each[0].median_s),
    )
    if ours_s >= (1 - _NOISE) * single.median_s:
        return ""
    call_s = math.fsum(seen[chosen.id].stage_s)
    return (
        f"replicas, as {count} calls at once take {seconds(call_s)} each, and one on "
        f"{device.cores / own.cores:g} times the threads ({device.name}) "
        f"{seconds(single.median_s)}: it is {call_s / single.median_s:.2f} times as fast (measured)"
    )


def _facts(table: CostTable, wholes: Sequence[StreamProposal]) -> Iterator[str]:
    able = [
        device.name
        for device in table.machine.devices
        if all(device.name in node.run_s for node in table.nodes)
    ]
    if not able:
        yield "no device may run the whole model"
    elif not wholes:
        yield "no replica of the whole keeps to the limits, or is right"


def _one_instead_of_several(
    table: CostTable, limits: Sequence[Limit], chosen: StreamProposal
) -> Iterator[str]:
    used = [table.machine.device(stage.device) for stage in chosen.stream.schedule.stages]
    resources = sorted({device.keeps_busy for device in used})

    def shown(what: str, choices: Iterable[tuple[str, Sequence[Device]]]) -> Iterator[str]:
        best_s, name = min((_least_s(_only(table, some), limits), name) for name, some in choices)
        if best_s == math.inf:
            yield f"{what}, and no one of them can do it all"
        elif best_s > (1 + _NOISE) * chosen.account.period_s:
            yield (
                f"{what}: with {name} alone an input would come every {seconds(best_s)} at best, "
                "by the costs"
            )

    if len(resources) > 1:
        on = [(name, _on(table, name)) for name in resources]
        yield from shown(f"it uses more than one resource ({', '.join(resources)})", on)
    for resource in resources:
        others = [each for each in table.machine.devices if each.keeps_busy != resource]
        mine = [each for each in used if each.keeps_busy == resource]
        counts = sorted({each.cores for each in mine})
        if len(counts) > 1:
            by_count = [
                (
                    f"{n} thread{'s' if n > 1 else ''}",
                    [*others, *(each for each in _on(table, resource) if each.cores == n)],
                )
                for n in counts
            ]
            numbers = " and ".join(f"{n}" for n in counts)
            yield from shown(
                f"its stages run on different numbers of threads ({numbers})", by_count
            )
        elif len({each.name for each in mine}) > 1:
            engines = {each.name: [*others, each] for each in mine}
            yield from shown(
                f"its stages run on different engines ({', '.join(engines)})", engines.items()
            )


def _without_limits(
    table: CostTable, limits: Sequence[Limit], chosen: StreamProposal
) -> Iterator[str]:
    """Limits, and room for weights, without which whole replicas would be as fast."""
    open_table = replace(
        table,
        machine=replace(
            table.machine,
            memories=tuple(replace(each, capacity_bytes=None) for each in table.machine.memories),
        ),
    )
    rooms = any(each.capacity_bytes is not None for each in table.machine.memories)
    cases = [
        (str(limit), table, [each for each in limits if each is not limit]) for limit in limits
    ] + ([("the room that there is in memory", open_table, [*limits])] if rooms else [])
    for name, wider, left in cases:
        found = _best(wider, left)
        if found is None or len(found.stream.schedule.stages) > 1:
            continue
        period_s, [stage] = found.account.period_s, found.stream.schedule.stages
        if period_s <= (1 + _NOISE) * chosen.account.period_s:
            yield (
                f"whole replicas do not keep to {name}: without it {found.stream.replicas[0]} x "
                f"{stage.device} would be as fast, by the costs"
            )


def _smaller_stages(
    chosen: StreamProposal,
    wholes: Sequence[StreamProposal],
    seen: Mapping[ContenderId, Contender],
) -> Iterator[str]:
    devices = {stage.device for stage in chosen.stream.schedule.stages}
    for whole in wholes:
        if devices != {whole.id.device} or whole.hosting != chosen.hosting:
            continue
        both = chosen.id in seen and whole.id in seen
        cut_s, whole_s = (
            math.fsum(seen[each.id].stage_s)
            if both
            else math.fsum(load.call_s for load in each.account.stages)
            for each in (chosen, whole)
        )
        if cut_s < (1 - _NOISE) * whole_s:
            yield (
                f"its stages take less, one after the other, than the whole in one "
                f"({seconds(cut_s)}, {seconds(whole_s)}, {'measured' if both else 'by the costs'}),"
                " as where weights stay in a cache, or are fetched once for all"
            )


def _on(table: CostTable, resource: str) -> list[Device]:
    return [each for each in table.machine.devices if each.keeps_busy == resource]


def _only(table: CostTable, devices: Sequence[Device]) -> CostTable | None:
    """The table without all others; None where a node has none left."""
    names = {each.name for each in devices}
    if not all(names & node.run_s.keys() for node in table.nodes):
        return None
    return without(
        table,
        {(node.name, name) for node in table.nodes for name in node.run_s if name not in names},
    )


def _least_s(table: CostTable | None, limits: Sequence[Limit]) -> float:
    found = None if table is None else _best(table, limits)
    return math.inf if found is None else found.account.period_s


def _best(table: CostTable, limits: Sequence[Limit]) -> StreamSolution | None:
    try:
        return Throughput(tuple(limits))(table)
    except UnplaceableError:
        return None
