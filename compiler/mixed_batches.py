"""What streams could do in which some stages take several inputs in a call, and others one.

    one by one    embed 1 ms   blocks 4 ms   head 2 ms             7 ms an input
    in eights     embed 8 ms   blocks 24 ms  head 32 ms            8 ms an input
    mixed         embed 1 ms   blocks 3 ms (in eights)  head 2 ms  6 ms an input, by the costs

With the costs of both, one table has every device of the host twice, and the solver proves how much
faster any pipeline of these could be that chooses for each stage. Whether it is, is seen when it
runs: mixed_stream.py.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from stagecut.compiler.ir.batching import in_batches
from stagecut.compiler.ir.costs import CostTable, NodeCosts
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.machine import HOST, Device
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.stream import StreamSolution
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.compiler.ir.units import enough
from stagecut.passes.partition.restrict import without
from stagecut.passes.partition.throughput.throughput import Throughput
from stagecut.passes.profile.loaded import ObservedCall, loaded

#: Costs of single inputs and of batches were measured at different times, and what is no more than
#: that part faster by them says nothing.
WORTH = 0.02
#: What is told as nothing.
_NONE = 5e-4

Known = TypeVar("Known")


@dataclass(frozen=True, slots=True)
class MixedBatches:
    """The stream found by `table` in which each stage takes one input or `size`; where all take as
    many, the best found has `uniform_s` from one input to the next. Devices in other memories than
    the host's take no part."""

    size: int
    table: CostTable
    solution: StreamSolution
    uniform_s: float

    @property
    def batches(self) -> tuple[int, ...]:
        """The inputs in a call of each stage."""
        return tuple(load.batch for load in self.solution.account.stages)

    def solved_again(
        self, seen: Iterable[ObservedCall], limits: tuple[Limit, ...]
    ) -> "MixedBatches | None":
        """By what was `seen` of stages in such streams, whatever they cost where all take as many;
        None where nothing keeps to the limits then."""
        table = loaded(self.table, seen)
        try:
            return replace(self, table=table, solution=Throughput(limits)(table))
        except UnplaceableError:
            return None

    @property
    def stages(self) -> tuple[Stage, ...]:
        """On the devices that run them, whatever the costs call these."""
        table, size = self.table, self.size
        own = {in_batches(each.name, size): each.name for each in table.machine.devices}
        return tuple(
            Stage(own.get(stage.device, stage.device), stage.nodes)
            for stage in self.solution.stream.schedule.stages
        )

    @property
    def is_worth_it(self) -> bool:
        """Whether stages differ in how many inputs they take, and gain by that."""
        return self.gain > WORTH and len({*self.batches}) > 1

    @property
    def gain(self) -> float:
        """How much more it lets through."""
        return self.uniform_s / self.solution.account.period_s - 1

    @property
    def most_gain(self) -> float:
        """How much more any that the certificate is about could let through."""
        proof = self.solution.certificate
        least_s = proof.period_s if proof.open_gap else self.solution.account.period_s
        return self.uniform_s / least_s - 1

    def told(self, then: str) -> str:
        """`stages on cpu.serial with 1 or 8 inputs in a call, as each is best: by the costs no
        pipeline of contiguous stages is more than 1.2% faster`; `then` is what became of one that
        is."""
        every = self.table.machine.devices
        devices = [each.name for each in every if each.batch == 1 and each.memory == HOST]
        inputs = f"with 1 or {self.size} inputs in a call, as each is best"
        head = f"stages on {', '.join(devices)} {inputs}: by the costs"
        if self.gain <= WORTH:
            return f"{head} {self._bound}"
        stages = self.solution.stream.schedule.stages
        pairs = zip(self.solution.stream.replicas, stages, strict=True)
        shown = " > ".join(f"{count} x {stage.device}" for count, stage in pairs)
        period = enough(self.solution.account.period_s)
        known = f"; {self._bound}" if self.solution.certificate.open_gap else ""
        faster = f"({self.gain:.1%} faster{known})"
        return f"{head} an input every {period} {faster}: {shown}{then and f'; {then}'}"

    @property
    def _bound(self) -> str:
        """What is proved, and no more than that."""
        proof = self.solution.certificate
        about = proof.about if proof.gap else "schedule"
        more = "" if self.most_gain < _NONE else f"more than {self.most_gain:.1%} "
        return f"no {about} is {more}faster"


def mixed_batches(
    alone: CostTable,
    together: CostTable,
    size: int,
    limits: tuple[Limit, ...],
) -> MixedBatches | None:
    """Of costs of single inputs and of calls of `size`, both as they are in streams; None where
    they are not of the same nodes, or nothing keeps to the limits."""
    here, there = _on_host(alone), _on_host(together)
    table = mixed_table(here, there, size)
    if table is None:
        return None
    single = {(node.name, device) for node in here.nodes for device in node.run_s}
    solver = Throughput(limits)
    try:
        uniform = [_period_s(solver, here), _period_s(solver, without(table, single))]
        return MixedBatches(size, table, solver(table), min(uniform))
    except UnplaceableError:
        return None


def _period_s(solver: Throughput, table: CostTable) -> float:
    """Infinite where nothing keeps to the limits."""
    try:
        return solver(table).account.period_s
    except UnplaceableError:
        return math.inf


def _on_host(table: CostTable) -> CostTable:
    """Without what devices in other memories would take: what a batch takes to get there and back
    is not known of single inputs."""
    memory = {each.name: each.memory for each in table.machine.devices}
    pairs = {(node.name, name) for node in table.nodes for name in node.run_s}
    return without(table, {(node, name) for node, name in pairs if memory[name] != HOST})


def mixed_table(alone: CostTable, together: CostTable, size: int) -> CostTable | None:
    """`alone` with devices for calls of `size` inputs beside its own, in the host's memory. None
    where the nodes differ."""
    if [_shape(node) for node in alone.nodes] != [_shape(node) for node in together.nodes]:
        return None
    taken = [each for each in together.machine.devices if each.memory == HOST]
    names = {each.name: in_batches(each.name, size) for each in taken}
    devices = (*alone.machine.devices, *(_batched(each, names, size) for each in taken))
    known = alone.machine.units_of
    if any(each.keeps_busy not in known for each in taken):
        return None
    nodes = tuple(
        _both(one, many, names) for one, many in zip(alone.nodes, together.nodes, strict=True)
    )
    return replace(alone, machine=replace(alone.machine, devices=devices), nodes=nodes)


def _shape(node: NodeCosts) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    return node.name, node.inputs, node.outputs


def _batched(device: Device, names: Mapping[str, str], size: int) -> Device:
    """On the same units."""
    return replace(device, name=names[device.name], batch=size, resource=device.keeps_busy)


def _both(one: NodeCosts, many: NodeCosts, names: Mapping[str, str]) -> NodeCosts:
    def of(known: Mapping[str, Known]) -> dict[str, Known]:
        return {name: known[old] for old, name in names.items() if old in known}

    return replace(
        one,
        run_s={**one.run_s, **of(many.run_s)},
        run_j={**one.run_j, **of(many.run_j)},
        resident_bytes={**one.resident_bytes, **of(many.resident_bytes)},
        uses={key: {**used, **of(many.uses.get(key, used))} for key, used in one.uses.items()},
    )
