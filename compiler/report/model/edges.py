"""Which node passes which value to which, with the transfers that bring it there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stagecut.compiler.ir.machine import HOST
from stagecut.compiler.report.model.content import Report
from stagecut.compiler.report.model.rows import TransferRow


@dataclass(frozen=True, slots=True)
class Edge:
    """A value that passes from one node to another, by their places among the report's nodes.

    `source` is None for an input of the model, `target` for an output. `transfers` are those that
    the value needs to get there, in their order; several, where it goes by way of other memories.
    """

    value: str
    source: int | None
    target: int | None
    transfers: tuple[TransferRow, ...]


def edges(report: Report) -> Iterator[Edge]:
    """Every edge: by reader in the nodes' order, then the outputs."""
    memory_of = {device.name: device.memory for device in report.devices}
    into = {(row.value, row.target): row for row in report.transfers}
    producer = {value: at for at, node in enumerate(report.nodes) for value in node.outputs}
    for target, node in enumerate(report.nodes):
        for value in node.inputs:
            way = _way(into, value, memory_of[node.device])
            yield Edge(value, producer.get(value), target, way)
    for output in report.outputs:
        ends = [end.memory for end in report.ends if end.name == output.name]
        for memory in ends or [HOST]:
            way = _way(into, output.name, memory)
            yield Edge(output.name, producer.get(output.name), None, way)


def _way(
    into: Mapping[tuple[str, str], TransferRow], value: str, memory: str
) -> tuple[TransferRow, ...]:
    """The transfers that bring `value` into `memory` from where it was written."""
    hops: list[TransferRow] = []
    while (hop := into.get((value, memory))) and hop not in hops:
        hops.append(hop)
        memory = hop.source
    return tuple(reversed(hops))
