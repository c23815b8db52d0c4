"""The stream that lets most inputs through: stages, devices, batches and replicas, with the proof.

    cores 4        a: 4 ms     b: 4 ms on one core, or 1 ms on the accelerator
    2 x cpu: a     1 x npu: b             period 2 ms -> probes: can 4 ms be kept? 2 ms? 1 ms? ...

A probe finds the least units with which a period can be kept (probe.py). Every one that succeeds
is a pipeline with a period of its own, and the next one asks for less. The last one, which asks
for anything shorter than what was found, fails; its potentials are the proof. Where latency or
memory is limited, what they take is counted beside the units (labels.py).

The model: stages are contiguous; each has one device, with the batch that its costs are for, and
as many replicas as the resource has room for; values pass through the host's memory. Memory other
than the host's holds one stage. Sources: A. Benoit and Y. Robert, "Complexity results for
throughput and latency optimization of replicated and data-parallel workflows" (Algorithmica 57(4),
2010) for the problem; J. Tarnawski and others, "Efficient algorithms for device placement of DNN
graph operators" (2020) for dynamic programming over ideals.
"""

from dataclasses import dataclass

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.machine import HOST, Machine
from stagecut.compiler.ir.stream import StreamSolution
from stagecut.compiler.ir.stream_certificate import NO_BUDGETS, Limit
from stagecut.passes.partition.throughput.amounts import limits_of
from stagecut.passes.partition.throughput.streams import Streams


@dataclass(frozen=True, slots=True)
class Throughput:
    """Ties go to fewer units of the resource with the most, longer stages, and earlier devices.

    `limits` come beside the capacities of memories and the table's budgets, which streams keep to
    in any case.
    """

    limits: tuple[Limit, ...] = ()

    def __call__(self, table: CostTable) -> StreamSolution:
        """Raises UnplaceableError where the machine has too little for a single replica of each
        stage, where nothing keeps to the limits, and for a table that streams cannot be asked
        about; CostTableError where energies are limited and not known."""
        check_streamable(table)
        return Streams.of(table).solution(limits_of(table, self.limits))


def check_streamable(table: CostTable) -> None:
    """What the model does not hold is refused."""
    for key, ends in (("inputs", table.inputs), ("outputs", table.outputs)):
        for index, end in enumerate(ends):
            if end.memory != HOST:
                raise UnplaceableError(
                    f"a stream's {key} are in the host's memory, and {end.name!r} is not",
                    where=f"{key}[{index}].memory",
                    fix=f"write {HOST!r}",
                )
    if not table.nodes:
        raise UnplaceableError(
            "there is no node", where="nodes", fix="a stream needs something to do"
        )
    for index, budget in enumerate(table.budgets):
        if budget.name in NO_BUDGETS:
            raise UnplaceableError(
                f"{budget.name!r} means something else of streams",
                where=f"budgets[{index}].name",
                fix="give the budget another name",
            )
    _check_machine(table.machine)


def _check_machine(machine: Machine) -> None:
    """A memory other than the host's has room for one stage at a time."""
    for memory in machine.memories:
        devices = [each for each in machine.devices if each.memory == memory.name]
        if memory.name == HOST or not devices:
            continue
        resources = {each.keeps_busy for each in devices}
        least = min(each.cores for each in devices)
        if len(resources) > 1 or 2 * least <= machine.units_of[devices[0].keeps_busy]:
            raise UnplaceableError(
                f"memory {memory.name!r} has room for two stages, and in a stream one may use it",
                where=f"devices[{machine.devices.index(devices[0])}].resource",
                fix="let its devices share a resource, and take more than half of its units",
            )
