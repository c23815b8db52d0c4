"""Several graphs as one, side by side: for what is decided of them together, as a budget that they
share. Times of each count so many times.

    prefill   a -> b             prefill/a -> prefill/b     times 1
    decode    a -> b       >     decode/a  -> decode/b      times 63

Devices and memories are apart, too, so that no stage is in two of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from stagecut.compiler.ir.costs import ERROR, Budget, CostTable, Endpoint, NodeCosts, ValueCosts
from stagecut.compiler.ir.machine import Device, Link, Route

_Amount = TypeVar("_Amount", int, float)


@dataclass(frozen=True, slots=True)
class Part:
    """A graph's costs, whose seconds count so many `times`."""

    costs: CostTable
    times: float = 1.0


def side_by_side(parts: Mapping[str, Part], limit: float) -> CostTable:
    """One table for latency, with `limit` on the errors of all parts together, in the place of any
    budget of theirs. Names begin with that of the part and a slash."""
    named = [_Named(name, part) for name, part in parts.items()]
    machines = [each.part.costs.machine for each in named]
    machine = replace(
        machines[0],
        memories=tuple(
            replace(memory, name=own(memory.name))
            for own, machine in zip(named, machines, strict=True)
            for memory in machine.memories
        ),
        devices=tuple(device for own in named for device in own.devices()),
        links=tuple(link for own in named for link in own.links()),
        resources=(),
    )
    return CostTable(
        "/".join(parts),
        machine,
        tuple(value for own in named for value in own.values()),
        tuple(node for own in named for node in own.nodes()),
        tuple(own.endpoint(each) for own in named for each in own.part.costs.inputs),
        tuple(own.endpoint(each) for own in named for each in own.part.costs.outputs),
        (Budget(ERROR, limit),),
    )


@dataclass(frozen=True, slots=True)
class _Named:
    name: str
    part: Part

    def __call__(self, name: str) -> str:
        return f"{self.name}/{name}"

    def route(self, route: Route) -> Route:
        return Route(self(route.source), self(route.target))

    def devices(self) -> tuple[Device, ...]:
        return tuple(
            replace(
                each,
                name=self(each.name),
                memory=self(each.memory),
                stage_s=self.part.times * each.stage_s,
                resource="",
            )
            for each in self.part.costs.machine.devices
        )

    def links(self) -> tuple[Link, ...]:
        times = self.part.times
        return tuple(
            replace(
                link,
                source=self(link.source),
                target=self(link.target),
                latency_s=times * link.latency_s,
                bytes_per_s=None if link.bytes_per_s is None else link.bytes_per_s / times,
            )
            for link in self.part.costs.machine.links
        )

    def values(self) -> tuple[ValueCosts, ...]:
        return tuple(
            ValueCosts(
                self(each.name),
                each.size_bytes,
                {self.route(at): self.part.times * s for at, s in each.transfer_s.items()},
            )
            for each in self.part.costs.values
        )

    def nodes(self) -> tuple[NodeCosts, ...]:
        return tuple(
            NodeCosts(
                self(each.name),
                each.op,
                self._timed(each.run_s),
                tuple(map(self, each.inputs)),
                tuple(map(self, each.outputs)),
                each.weight_bytes,
                resident_bytes=self._by_device(each.resident_bytes),
                uses={ERROR: self._by_device(each.uses[ERROR])} if ERROR in each.uses else {},
            )
            for each in self.part.costs.nodes
        )

    def endpoint(self, end: Endpoint) -> Endpoint:
        return Endpoint(self(end.name), self(end.memory))

    def _timed(self, run_s: Mapping[str, float]) -> dict[str, float]:
        return {self(name): self.part.times * time_s for name, time_s in run_s.items()}

    def _by_device(self, amounts: Mapping[str, _Amount]) -> dict[str, _Amount]:
        return {self(name): amount for name, amount in amounts.items()}
