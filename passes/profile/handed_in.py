"""A cost table from elsewhere, in the place of a profile: checked against the model, completed."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostTable, Endpoint
from stagecut.compiler.ir.errors import CostTableError
from stagecut.compiler.ir.graph import Value
from stagecut.compiler.ir.machine import HOST
from stagecut.passes.profile.profile import Profiled

_OTHER_MODEL = "profile this model, with the same devices, shapes and granularity"


def handed_in(costs: CostTable, expanded: ExpandedGraph, free: Collection[str] = ()) -> Profiled:
    """The table as if it had been profiled; raises CostTableError unless it is for this very graph.

    A plan takes its inputs from the host and hands its outputs back there, whatever the table
    says: what ends elsewhere ends in the host, too. But for those that are `free`: of which the
    table does not say where they are, they are where they are read.
    """
    _check_nodes(costs, expanded)
    _check_edges(costs, expanded)
    _check_devices(costs, expanded)
    for index, end in enumerate(costs.inputs):
        if end.memory != HOST:
            raise CostTableError(
                f"input {end.name!r} starts in {end.memory}; a plan takes its inputs from {HOST}",
                where=f"inputs[{index}].memory",
                fix=f"let it start in {HOST}",
            )
    completed = replace(
        costs,
        inputs=(*costs.inputs, *_missing(expanded.graph.inputs, costs.inputs, free)),
        outputs=(*costs.outputs, *_missing(expanded.graph.outputs, costs.outputs, free)),
    )
    return Profiled(completed, ())


def _check_nodes(costs: CostTable, expanded: ExpandedGraph) -> None:
    graph = {node.name for node in expanded.graph.nodes}
    table = {node.name for node in costs.nodes}
    if graph != table:
        odd = min(graph ^ table)
        place = "the table" if odd in table else "the model"
        raise CostTableError(
            f"is for another model: node {odd!r} is only in {place}",
            where=f"cost table {costs.name}",
            fix=_OTHER_MODEL,
        )


def _check_edges(costs: CostTable, expanded: ExpandedGraph) -> None:
    for index, node in enumerate(costs.nodes):
        own = expanded.graph.node_named[node.name]
        _check_values(node.inputs, own.inputs, f"nodes[{index}].inputs")
        _check_values(node.outputs, own.outputs, f"nodes[{index}].outputs")


def _check_values(table: Iterable[str], graph: Iterable[Value], where: str) -> None:
    listed, known = set(table), {value.name for value in graph}
    if listed != known:
        odd = min(listed ^ known)
        place = "the table" if odd in listed else "the model"
        raise CostTableError(
            f"is for another model: value {odd!r} is only in {place} here",
            where=where,
            fix=_OTHER_MODEL,
        )


def _check_devices(costs: CostTable, expanded: ExpandedGraph) -> None:
    for index, node in enumerate(costs.nodes):
        for device in node.run_s:
            if device not in expanded.candidates[node.name]:
                reason = expanded.refusals[node.name].get(device, "it is not among the devices")
                raise CostTableError(
                    f"{device} cannot run {node.name!r}: {reason}",
                    where=f"nodes[{index}].run_s.{device}",
                    fix="take this entry out of the table",
                )


def _missing(
    values: Iterable[Value], ends: Sequence[Endpoint], free: Collection[str]
) -> Iterator[Endpoint]:
    """The ends in the host that the table does not name."""
    named = {end.name for end in ends if end.memory == HOST} | {*free}
    return (Endpoint(value.name, HOST) for value in values if value.name not in named)
