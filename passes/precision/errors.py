"""What each node alone does to the outputs where it computes in lower precision.

  1  every node runs alone in each precision, on what the reference hands it: its own error
  2  the error of the least precise is added behind the node in a run of the whole model on the
     reference (perturbed.py): the error at the outputs
  3  that of the other precisions is in proportion to their own errors

so that whole runs are as many as nodes, however many precisions there are, and none is prepared
twice. Squared errors of different nodes add up, as they have nothing to do with each other; so
nodes that would be too many share runs: neighbours are added behind at once, and what comes of it
is theirs in proportion to their own relative errors.

Each run is on one of the samples, in turn.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stagecut.compiler.ir.apart import squares
from stagecut.compiler.ir.device import Feeds, Progress, RunnerFactory, StageProgram, Tensor
from stagecut.compiler.ir.errors import EngineError, ScheduleError
from stagecut.compiler.ir.graph import Graph, Node
from stagecut.passes.precision.perturbed import Perturbed
from stagecut.passes.precision.rms import rms
from stagecut.passes.stage.extract import Extractor
from stagecut.passes.stage.one_node import OneNode, is_portable

#: So many whole runs at most.
MOST_RUNS = 96

#: What is off by less, squared, is rounding.
_ROUNDING = 1e-13


@dataclass(frozen=True, slots=True)
class NodeErrors:
    """`squared`: by node and precision, the square of the relative rms error at the outputs that
    the node alone causes; no entry where it causes none. `unknown` are nodes and precisions of
    which nothing can be said, with the reason. `runs` of the whole model were needed."""

    squared: Mapping[str, Mapping[str, float]]
    unknown: tuple[tuple[str, str, str], ...]
    runs: int


@dataclass(frozen=True, slots=True)
class _Own:
    """The error of one node alone: what to add behind it, and how large that is, squared, as a part
    of what it writes."""

    added: Feeds
    relative: float


@dataclass(frozen=True, slots=True)
class MeasureErrors:
    """`one` stages a node on a device, `prepare` prepares what is staged. `values` tells all that
    nodes hand on, and the inputs, `whole` runs a program of all nodes on the reference; both raise
    EngineError where they cannot."""

    graph: Graph
    extract: Extractor
    one: OneNode
    prepare: RunnerFactory
    values: Callable[[Feeds], Mapping[str, Tensor]]
    whole: Callable[[StageProgram], Callable[[Feeds], Mapping[str, Tensor]]]
    progress: Progress
    most_runs: int = MOST_RUNS

    def __call__(
        self, devices: Mapping[str, Mapping[str, str]], samples: Sequence[Feeds]
    ) -> NodeErrors:
        """`devices`: by node, the precisions in which it may compute otherwise than the model says,
        each with a device that does."""
        nodes = [node for node in self.graph.nodes if devices.get(node.name)]
        groups = _groups(nodes, self.most_runs)
        perturbed = Perturbed.of(
            self.extract("perturbed", self.graph.nodes, self.graph.outputs),
            [value for node in nodes for value in node.outputs if _is_open(value.dtype)],
        )
        run = self.whole(perturbed.program)
        squared: dict[str, dict[str, float]] = {}
        unknown: list[tuple[str, str, str]] = []
        runs = 0
        turns = [groups[at :: len(samples)] for at in range(len(samples))]
        for sample, mine in zip(samples, turns, strict=True):
            values = self.values(sample) if mine else {}
            right = run(perturbed.feeds(sample, {})) if mine else {}
            for group in self.progress(mine, "errors of nodes"):
                own: dict[str, dict[str, _Own]] = {}
                for node in group:
                    own[node.name], problems = self._own(node, devices[node.name], values)
                    unknown += problems
                worst = [max(each.values(), key=_size) for each in own.values() if each]
                total = sum(each.relative for each in worst)
                if total <= _ROUNDING:
                    continue
                added = {name: array for each in worst for name, array in each.added.items()}
                amount = rms([(run(perturbed.feeds(sample, added)), right)]) ** 2
                runs += 1
                for name, found in own.items():
                    squared[name] = {
                        precision: amount * each.relative / total
                        for precision, each in found.items()
                        if each.relative > _ROUNDING
                    }
        return NodeErrors(squared, tuple(unknown), runs)

    def _own(
        self, node: Node, devices: Mapping[str, str], values: Mapping[str, Tensor]
    ) -> tuple[dict[str, _Own], list[tuple[str, str, str]]]:
        """By precision, and where there is none why not."""
        found: dict[str, _Own] = {}
        unknown = []
        for precision, device in devices.items():
            if not is_portable(node):
                unknown.append((node.name, precision, "its values cannot leave an engine"))
                continue
            try:
                results = self._alone(node, device, values)
            except (EngineError, ScheduleError) as error:
                unknown.append((node.name, precision, error.problem))
                continue
            found[precision] = _error(node, results, values)
        return found, unknown

    def _alone(self, node: Node, device: str, values: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        outputs = [value.name for value in node.outputs]
        feeds = {value.name: values[value.name] for value in node.inputs}
        return self.prepare(self.one(node, device), outputs).run(feeds)[0]


def _error(node: Node, results: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> _Own:
    added: dict[str, Tensor] = {}
    relative = 0.0
    for value in node.outputs:
        found, right = results[value.name], values[value.name]
        if not _is_open(value.dtype) or found.shape != right.shape:
            continue
        with np.errstate(invalid="ignore", over="ignore"):
            change = np.asarray(found - right, right.dtype)
        added[value.name] = np.nan_to_num(change, nan=0.0, posinf=0.0, neginf=0.0)
        off, size = squares(found, right)
        relative += off / size if size else 0.0
    return _Own(added, relative)


def _size(own: _Own) -> float:
    return own.relative


def _is_open(dtype: str) -> bool:
    """Whether something can be added to it."""
    return dtype in {"float32", "float64", "float16"}


def _groups(nodes: Sequence[Node], most: int) -> list[Sequence[Node]]:
    """Neighbours in so many groups at most."""
    size = max(1, -(-len(nodes) // most))
    return [nodes[first : first + size] for first in range(0, len(nodes), size)]
