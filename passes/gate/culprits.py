"""Which nodes are to blame for a contender's wrong outputs: each of them runs alone.

    contender npu: y is off by 556 times its largest number
      npu alone on conv, with what the reference computes before it       right
      npu alone on softmax, with what the reference computes before it    off: to blame

Where no node is wrong alone, it is the engine's fusing of several, and nobody is blamed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from stagecut.compiler.ir.device import Backend, Feeds, RunnerFactory, Tensor
from stagecut.compiler.ir.errors import EngineError, ScheduleError
from stagecut.compiler.ir.graph import Graph, Node
from stagecut.passes.gate.accuracy import Flaw, Limit
from stagecut.passes.gate.build import Wrong
from stagecut.passes.gate.reference import Reference
from stagecut.passes.profile.profile import Fault
from stagecut.passes.stage.extract import Extractor
from stagecut.passes.stage.one_node import OneNode, is_portable


@dataclass(frozen=True, slots=True)
class Culprits:
    """`values` are all that nodes hand on, as the reference computes them; `right` is its device.

    No node is tried after `budget_s`, so that a large model does not hold the compile up.
    """

    graph: Graph
    extract: Extractor
    backends: Mapping[str, Backend]
    prepare: RunnerFactory
    values: Callable[[Feeds], Mapping[str, Tensor]]
    right: str
    limit: Callable[[str], Limit]
    clock: Callable[[], float]
    budget_s: float = 20.0

    def __call__(self, wrong: Sequence[Wrong]) -> tuple[Fault, ...]:
        """Each node and device once. Raises EngineError where the reference cannot run."""
        end_s = self.clock() + self.budget_s
        asked: set[tuple[str, str]] = set()
        found: list[Fault] = []
        for each in wrong:
            if each.inputs.numbers:  # what becomes of a NaN within is left to engines
                continue
            values = self.values(each.inputs.feeds)
            for node, device in self._placed(each):
                if (node.name, device) in asked or self.clock() > end_s:
                    continue
                asked.add((node.name, device))
                flaw = self._flaw(node, device, values)
                if flaw is not None:
                    why = f"on {each.inputs.name}, {flaw.problem}"
                    found.append(Fault(node.name, device, why))
        return tuple(found)

    def _placed(self, wrong: Wrong) -> Iterator[tuple[Node, str]]:
        for stage in wrong.proposal.schedule.stages:
            for name in stage.nodes:
                node = self.graph.node_named[name]
                if stage.device != self.right and is_portable(node):
                    yield node, stage.device

    def _flaw(self, node: Node, device: str, values: Mapping[str, Tensor]) -> Flaw | None:
        """Nothing where the node cannot be run alone."""
        outputs = [value.name for value in node.outputs]
        feeds = {value.name: values[value.name] for value in node.inputs}
        alone = OneNode(self.extract, self.backends)
        try:
            right = self.prepare(alone(node, self.right), outputs)
            results, _ = self.prepare(alone(node, device), outputs).run(feeds)
        except (EngineError, ScheduleError):
            return None
        reference = Reference(lambda given: right.run(given)[0], feeds)
        if reference.problem:
            return None
        return reference.flaw(reference.samples, results, self.limit(device))
