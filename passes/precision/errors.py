"""What each node alone does to the outputs where it computes in lower precision.

  1  every node runs alone in each precision, on what the reference hands it: its own error
  2  the error of the least precise is added behind the node in a run of the whole model on the
     reference (perturbed.py): the error at the outputs
  3  that of the other precisions is in proportion to their own errors

so that whole runs are as many as nodes, however many precisions there are, and none is prepared
twice; in step 1, nodes are prepared a few at a time (alone.py). Squared errors of different nodes
add up, as they have nothing to do with each other; so nodes that would be too many share runs:
neighbours are added behind at once, and what comes of it is theirs in proportion to their own
relative errors.

They add up at each output by itself: of nodes that reach different outputs, as those of a decoder
whose outputs are also the new rows of its cache, the sum of what each does where it is worst is too
much.

Each run is on one of the samples, in turn.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from stagecut.compiler.ir.device import Feeds, Progress, RunnerFactory, StageProgram, Tensor
from stagecut.compiler.ir.graph import Graph, Node
from stagecut.passes.precision.alone import Alone, OwnError, Unknown, is_open
from stagecut.passes.precision.perturbed import Perturbed
from stagecut.passes.precision.rms import rms_by_output
from stagecut.passes.stage.extract import Extractor
from stagecut.passes.stage.one_node import OneNode

_Item = TypeVar("_Item")

#: The nodes of so many runs are prepared together.
TOGETHER = 8

#: What is off by less, squared, is rounding.
_ROUNDING = 1e-13


@dataclass(frozen=True, slots=True)
class NodeErrors:
    """`by_output`: by node, precision and output, the square of the relative rms error there that
    the node alone causes; no node and precision that cause none. `unknown` are nodes and precisions
    of which nothing can be said, with the reason. `runs` of the whole model were needed."""

    by_output: Mapping[str, Mapping[str, Mapping[str, float]]]
    unknown: tuple[Unknown, ...]
    runs: int


@dataclass(frozen=True, slots=True)
class MeasureErrors:
    """In `most_runs` whole runs at most. `one` stages nodes on a device, `prepare` prepares what is
    staged, of so many runs `together`. `values` tells all that nodes hand on, and the inputs,
    `whole` runs a program of all nodes on the reference; both raise EngineError where they
    cannot."""

    graph: Graph
    extract: Extractor
    one: OneNode
    prepare: RunnerFactory
    values: Callable[[Feeds], Mapping[str, Tensor]]
    whole: Callable[[StageProgram], Callable[[Feeds], Mapping[str, Tensor]]]
    progress: Progress
    most_runs: int = 96
    together: int = TOGETHER

    def __call__(
        self, devices: Mapping[str, Mapping[str, str]], samples: Sequence[Feeds]
    ) -> NodeErrors:
        """`devices`: by node, the precisions in which it may compute otherwise than the model says,
        each with a device that does."""
        nodes = [node for node in self.graph.nodes if devices.get(node.name)]
        groups = _groups(nodes, self.most_runs)
        perturbed = Perturbed.of(
            self.extract("perturbed", self.graph.nodes, self.graph.outputs),
            [value for node in nodes for value in node.outputs if is_open(value.dtype)],
        )
        run, alone = self.whole(perturbed.program), Alone(self.one, self.prepare)
        by_output: dict[str, dict[str, dict[str, float]]] = {}
        unknown: list[Unknown] = []
        runs = 0
        turns = [groups[at :: len(samples)] for at in range(len(samples))]
        for sample, mine in zip(samples, turns, strict=True):
            values = self.values(sample) if mine else {}
            right = run(perturbed.feeds(sample, {})) if mine else {}
            for some in self.progress(_stretches(mine, self.together), "errors of nodes"):
                own, problems = alone([node for group in some for node in group], devices, values)
                unknown += problems
                for group in some:
                    found = _Group({node.name: own[node.name] for node in group})
                    if found.total > _ROUNDING:
                        off = run(perturbed.feeds(sample, found.added))
                        by_output |= found.by_output(rms_by_output([(off, right)]))
                        runs += 1
        return NodeErrors(by_output, tuple(unknown), runs)


@dataclass(frozen=True, slots=True)
class _Group:
    """Nodes that share a run, with their `own` errors by precision."""

    own: Mapping[str, Mapping[str, OwnError]]

    @property
    def _worst(self) -> list[OwnError]:
        """Of each node that has any."""
        return [max(each.values(), key=_size) for each in self.own.values() if each]

    @property
    def total(self) -> float:
        return sum(each.relative for each in self._worst)

    @property
    def added(self) -> Feeds:
        return {name: array for each in self._worst for name, array in each.added.items()}

    def by_output(self, worst: Mapping[str, float]) -> dict[str, dict[str, dict[str, float]]]:
        """Squares by node and precision, where the worst of all together come to these errors."""
        return {
            name: {
                precision: {
                    output: error**2 * each.relative / self.total for output, error in worst.items()
                }
                for precision, each in found.items()
                if each.relative > _ROUNDING
            }
            for name, found in self.own.items()
        }


def _size(own: OwnError) -> float:
    return own.relative


def _groups(nodes: Sequence[Node], most: int) -> list[Sequence[Node]]:
    """Neighbours in so many groups at most."""
    return _stretches(nodes, max(1, -(-len(nodes) // most)))


def _stretches(found: Sequence[_Item], size: int) -> list[Sequence[_Item]]:
    return [found[first : first + size] for first in range(0, len(found), size)]
