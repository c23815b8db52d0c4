"""The methods of `stagecut partition`, by name and side by side."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TypeAlias

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.solution import Solution
from stagecut.compiler.ir.standing import Told, nobody
from stagecut.passes.partition.baselines.chain import Chain
from stagecut.passes.partition.baselines.greedy import Greedy
from stagecut.passes.partition.baselines.priority import Priority
from stagecut.passes.partition.baselines.single import Single
from stagecut.passes.partition.milp.milp import Milp
from stagecut.passes.partition.partition import Partition

Method: TypeAlias = Callable[[CostTable], Solution]


@dataclass(frozen=True, slots=True)
class Solved:
    """A solution and how long it took, or why the method has none."""

    method: str
    solution: Solution | None = None
    solve_s: float = 0.0
    refusal: StagecutError | None = None


#: Name on the command line -> a function that makes the method from the objective, the seconds that
#: a search may take, devices (the priorities of `priority`, the one of `single`), and who is told
#: how a search goes.
METHODS: Mapping[str, Callable[[Objective, float, Sequence[str], Told], Method]] = {
    "optimal": lambda objective, limit_s, _, told: Partition(objective, limit_s, told),
    "milp": lambda objective, limit_s, _, told: Milp(objective, limit_s, told),
    "chain": lambda objective, *_: Chain(objective),
    "greedy": lambda objective, *_: Greedy(objective),
    "priority": lambda objective, _, devices, __: Priority(tuple(devices), objective),
    "single": lambda objective, _, devices, __: Single(devices[0] if devices else None, objective),
}

#: Methods to which devices are given; `every_method` tries them with each device as the first.
_OF_DEVICES = ("priority", "single")


def every_method(
    table: CostTable, objective: Objective, limit_s: float, told: Told = nobody
) -> Iterator[Solved]:
    """The solution of each method, or its refusal; `single` and `priority` once for each device."""
    devices = [device.name for device in table.machine.devices]
    methods = {
        name: make(objective, limit_s, (), told)
        for name, make in METHODS.items()
        if name not in _OF_DEVICES
    }
    for name in _OF_DEVICES:
        for first in devices:
            rest = [device for device in devices if device != first]
            methods[f"{name} {first}"] = METHODS[name](objective, limit_s, (first, *rest), told)
    for name, method in methods.items():
        try:
            yield Solved(name, *timed(method, table))
        except StagecutError as refusal:
            yield Solved(name, refusal=refusal)


def timed(method: Method, table: CostTable) -> tuple[Solution, float]:
    """The solution, and the seconds that finding it took."""
    start_s = perf_counter()
    solution = method(table)
    return solution, perf_counter() - start_s
