"""Cost tables of a decode step at several lengths, brought together.

up         cpu 70 us at 128, 73 us at 1,024, 71 us at 4,096     its tensors are the same: 71 us
attention  cpu 20 us at 128, 90 us at 1,024, 350 us at 4,096    as measured

What does not depend on the length was measured once at each: the median of these is what it takes
at all, so that noise makes no slope, and no breakpoint. A device that cannot run a node at one of
the lengths is no candidate for it at any.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from stagecut.compiler.ir.costs import CostTable, NodeCosts
from stagecut.compiler.ir.costs_by_length import CostsByLength
from stagecut.compiler.ir.errors import CostTableError
from stagecut.compiler.ir.graph import Graph, Node
from stagecut.compiler.ir.machine import Device

T = TypeVar("T")


def by_length(tables: Mapping[int, CostTable], graphs: Mapping[int, Graph]) -> CostsByLength:
    """`graphs` are what the tables are of, both by length.

    Raises CostTableError where the nodes at two lengths are not the same.
    """
    lengths = sorted(tables)
    ordered = [tables[length] for length in lengths]
    forms = [{node.name: _form(node) for node in graphs[length].nodes} for length in lengths]
    for length, table in zip(lengths, ordered, strict=True):
        if [node.name for node in table.nodes] != [node.name for node in ordered[0].nodes]:
            raise CostTableError(
                f"the step has other nodes behind {length} tokens than behind {lengths[0]}",
                where="lengths",
                fix="give other lengths, or --granularity op, which merges no operators",
            )
    rows = [
        _together([table.nodes[at] for table in ordered], fixed=_all_equal(forms, name))
        for at, name in enumerate(node.name for node in ordered[0].nodes)
    ]
    devices = [*map(_device, zip(*(table.machine.devices for table in ordered), strict=True))]
    return CostsByLength(
        tuple(lengths),
        tuple(
            replace(
                table,
                machine=replace(table.machine, devices=tuple(devices)),
                nodes=tuple(row[index] for row in rows),
            )
            for index, table in enumerate(ordered)
        ),
    )


def _form(node: Node) -> tuple[str, ...]:
    """Every tensor in it; weights that grow with the length are told, too."""
    return tuple(
        str(value) for operator in node.operators for value in (*operator.reads, *operator.writes)
    )


def _all_equal(forms: Sequence[Mapping[str, T]], name: str) -> bool:
    return all(form[name] == forms[0][name] for form in forms)


def _together(nodes: Sequence[NodeCosts], *, fixed: bool) -> list[NodeCosts]:
    """One node at all lengths; `fixed` where its costs do not depend on them."""
    able = [name for name in nodes[0].run_s if all(name in each.run_s for each in nodes)]
    held = {
        name: max(each.bytes_on(name) for each in nodes)
        for name in able
        if any(name in each.resident_bytes for each in nodes)
    }
    kept = [
        replace(
            each,
            run_s=_of(able, each.run_s),
            run_j=_of(able, each.run_j),
            run_spread=_of(able, each.run_spread),
            weight_bytes=max(each.weight_bytes for each in nodes),
            resident_bytes=held,
        )
        for each in nodes
    ]
    if not fixed:
        return kept
    chosen = {name: _median(kept, [each.run_s[name] for each in kept]) for name in able}
    alike = replace(
        kept[0],
        run_s={name: each.run_s[name] for name, each in chosen.items()},
        run_j={name: each.run_j[name] for name, each in chosen.items() if name in each.run_j},
        run_spread={
            name: each.run_spread[name] for name, each in chosen.items() if name in each.run_spread
        },
    )
    return [alike] * len(nodes)


def _of(names: Iterable[str], costs: Mapping[str, T]) -> dict[str, T]:
    return {name: costs[name] for name in names if name in costs}


def _device(devices: Sequence[Device]) -> Device:
    """What starting a stage takes does not depend on the length."""
    return _median(devices, [device.stage_s for device in devices])


def _median(several: Sequence[T], keys: Sequence[float]) -> T:
    """One of them, with all that belongs to it; the smaller one in the middle of an even number."""
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return several[order[(len(keys) - 1) // 2]]
