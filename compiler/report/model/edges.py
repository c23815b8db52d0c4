"""Which node hands which value to which, and where a value is copied on the way."""

from collections.abc import Iterator
from dataclasses import dataclass

from stagecut.compiler.ir.machine import HOST
from stagecut.compiler.report.model.content import Report, TransferRow


@dataclass(frozen=True, slots=True)
class Edge:
    """A value on its way from one node to another, by their places among the report's nodes.

    `source` is None for an input of the model, `target` for an output. `copy` is the transfer
    that the value needs to get there.
    """

    value: str
    source: int | None
    target: int | None
    copy: TransferRow | None


def edges(report: Report) -> Iterator[Edge]:
    """Every edge: by reader in the nodes' order, then the outputs."""
    memory_of = {device.name: device.memory for device in report.devices}
    copies = {(copy.value, copy.target): copy for copy in report.transfers}
    producer = {value: at for at, node in enumerate(report.nodes) for value in node.outputs}
    for target, node in enumerate(report.nodes):
        for value in node.inputs:
            copy = copies.get((value, memory_of[node.device]))
            yield Edge(value, producer.get(value), target, copy)
    for output in report.outputs:
        copy = copies.get((output.name, HOST))
        yield Edge(output.name, producer.get(output.name), None, copy)
