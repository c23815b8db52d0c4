"""What stages took in streams, seen in turns: what was seen last overrules what was before."""

import math
from collections.abc import Iterable, Sequence
from statistics import median

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.stream import StreamSolution
from stagecut.passes.profile.loaded import ObservedCall


class SeenCalls:
    """A call of each stage that was run in a stream."""

    def __init__(self) -> None:
        self._calls: dict[Stage, ObservedCall] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def note(self, stages: Sequence[Stage], turns_s: Sequence[Sequence[float]]) -> None:
        """A call of each of these stages took so many seconds in each of the turns: it takes what
        it did in their median."""
        for stage, calls_s in zip(stages, zip(*turns_s, strict=True), strict=True):
            self._calls.pop(stage, None)
            self._calls[stage] = ObservedCall(stage, median(calls_s))

    @property
    def calls(self) -> Iterable[ObservedCall]:
        """In the order in which they were seen."""
        return [*self._calls.values()]

    def of(self, costs: CostTable) -> Iterable[ObservedCall]:
        """Those of stages that may still be chosen, in the order in which they were seen."""
        return [call for call in self.calls if can_run(costs, call.stage)]

    def hold_for(self, solution: StreamSolution) -> bool:
        """Whether all of its stages were run, and cost what they took then."""
        return all(
            stage in self._calls and math.isclose(self._calls[stage].call_s, load.call_s)
            for stage, load in zip(
                solution.stream.schedule.stages, solution.account.stages, strict=True
            )
        )


def can_run(costs: CostTable, stage: Stage) -> bool:
    """Whether the stage's device still may run each of its nodes."""
    return all(stage.device in costs.node_named[name].run_s for name in stage.nodes)
