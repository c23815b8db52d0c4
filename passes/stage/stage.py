"""Give each stage of a schedule its program, in the order in which the schedule has them.

    schedule                             programs
    run cpu: a, c, d                     stage-000: (x) -> a, d
    transfer a: host > pim
    run pim: b                           stage-001: (a) -> b

A stage hands on what other stages read or the model hands back, and nothing else.
"""

from collections.abc import Mapping, Sequence

from stagecut.compiler.ir.account import Account
from stagecut.compiler.ir.device import StagedSchedule, StageProgram
from stagecut.compiler.ir.graph import Graph, Value
from stagecut.compiler.ir.schedule import Schedule
from stagecut.passes.stage.extract import Extractor


def stage(
    graph: Graph,
    schedule: Schedule,
    account: Account,
    extract: Extractor,
    prefix: str = "stage",
    homes: Mapping[str, str] | None = None,
) -> StagedSchedule:
    """The schedule with its programs; modelled steps count for their times in the account. `homes`
    are those of states in other memories than the host's."""
    modelled_s = tuple(step.time_s if step.basis == "modelled" else None for step in account.steps)
    programs = stage_programs(graph, schedule, extract, prefix)
    return StagedSchedule(schedule, programs, modelled_s, homes or {})


def stage_programs(
    graph: Graph, schedule: Schedule, extract: Extractor, prefix: str = "stage"
) -> tuple[StageProgram, ...]:
    """The program of each stage, named `prefix-000`, `prefix-001`, ..."""
    outputs = _handed_on(graph, schedule)
    return tuple(
        extract(f"{prefix}-{index:03}", [graph.node_named[name] for name in part.nodes], values)
        for index, (part, values) in enumerate(zip(schedule.stages, outputs, strict=True))
    )


def _handed_on(graph: Graph, schedule: Schedule) -> Sequence[Sequence[Value]]:
    """For each stage, the values that other stages read or that the model hands back."""
    stage_of = schedule.stage_of
    readers: dict[str, set[int]] = {value.name: {-1} for value in graph.outputs}
    for node in graph.nodes:
        for value in node.inputs:
            readers.setdefault(value.name, set()).add(stage_of[node.name])
    return [
        [
            value
            for name in part.nodes
            for value in graph.node_named[name].outputs
            if readers.get(value.name, set()) - {index}
        ]
        for index, part in enumerate(schedule.stages)
    ]
