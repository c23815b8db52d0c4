"""The methods of `stagecut partition`, by name and side by side."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TypeAlias

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.solution import Solution
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


def method_named(name: str, objective: Objective, limit_s: float, devices: Sequence[str]) -> Method:
    """`devices` are the order of `priority`, and its first is the one of `single`."""
    methods: dict[str, Method] = {
        "optimal": Partition(objective, limit_s),
        "greedy": Greedy(objective),
        "priority": Priority(tuple(devices), objective),
        "single": Single(devices[0] if devices else None, objective),
        "chain": Chain(objective),
        "milp": Milp(objective, limit_s),
    }
    return methods[name]


def every_method(table: CostTable, objective: Objective, limit_s: float) -> Iterator[Solved]:
    """All of them; each device alone, and each as the first of the priorities."""
    devices = [device.name for device in table.machine.devices]
    methods: dict[str, Method] = {
        "optimal": Partition(objective, limit_s),
        "milp": Milp(objective, limit_s),
        "chain": Chain(objective),
        "greedy": Greedy(objective),
    }
    for first in devices:
        rest = [name for name in devices if name != first]
        methods[f"priority {first}"] = Priority((first, *rest), objective)
    methods |= {f"single {name}": Single(name, objective) for name in devices}
    for name, method in methods.items():
        try:
            yield Solved(name, *timed(method, table))
        except StagecutError as refusal:
            yield Solved(name, refusal=refusal)


def timed(method: Method, table: CostTable) -> tuple[Solution, float]:
    """The solution and the seconds that it took."""
    start_s = perf_counter()
    solution = method(table)
    return solution, perf_counter() - start_s
