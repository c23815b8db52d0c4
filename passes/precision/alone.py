"""The errors of nodes by themselves: each runs in lower precision on what the reference hands it.

An engine takes longer to prepare one than to run it. So nodes of which none reads what another one
writes are prepared and run together; where that fails, one by one.

    a -> b -> c    together on a device: a, c, with what the reference hands to each; then b
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stagecut.compiler.ir.apart import squares
from stagecut.compiler.ir.device import Feeds, RunnerFactory, Tensor
from stagecut.compiler.ir.errors import EngineError, ScheduleError
from stagecut.compiler.ir.graph import Node
from stagecut.passes.stage.one_node import OneNode, is_portable

#: What of a node is not known: its name, the precision, and why.
Unknown = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class OwnError:
    """What to add behind a node, and how large that is, squared, as a part of what it writes."""

    added: Feeds
    relative: float


@dataclass(frozen=True, slots=True)
class Alone:
    """`one` stages nodes on a device, `prepare` prepares what is staged."""

    one: OneNode
    prepare: RunnerFactory

    def __call__(
        self,
        nodes: Sequence[Node],
        devices: Mapping[str, Mapping[str, str]],
        values: Mapping[str, Tensor],
    ) -> tuple[dict[str, dict[str, OwnError]], list[Unknown]]:
        """By node and precision, of which `devices` has a device each."""
        found: dict[str, dict[str, OwnError]] = {node.name: {} for node in nodes}
        problems: dict[tuple[str, str], str] = {}
        for (precision, device), those in _by_device(nodes, devices).items():
            able = [node for node in those if is_portable(node)]
            for node in those:
                if node not in able:
                    problems[node.name, precision] = "its values cannot leave an engine"
            for apart in _apart(able):
                for node, results in self._results(apart, device, values):
                    if isinstance(results, str):
                        problems[node.name, precision] = results
                    else:
                        found[node.name][precision] = _error(node, results, values)
        unknown = [
            (node.name, precision, problems[node.name, precision])
            for node in nodes
            for precision in devices[node.name]
            if (node.name, precision) in problems
        ]
        return found, unknown

    def _results(
        self, nodes: Sequence[Node], device: str, values: Mapping[str, Tensor]
    ) -> Iterator[tuple[Node, Mapping[str, Tensor] | str]]:
        """What each writes; a sentence where it cannot run."""
        try:
            outputs = [value.name for node in nodes for value in node.outputs]
            feeds = {value.name: values[value.name] for node in nodes for value in node.inputs}
            results = self.prepare(self.one.beside(nodes, device), outputs).run(feeds)[0]
        except (EngineError, ScheduleError) as error:
            if len(nodes) == 1:
                yield nodes[0], error.problem
                return
            for node in nodes:
                yield from self._results([node], device, values)
            return
        yield from ((node, results) for node in nodes)


def _by_device(
    nodes: Sequence[Node], devices: Mapping[str, Mapping[str, str]]
) -> dict[tuple[str, str], list[Node]]:
    found: dict[tuple[str, str], list[Node]] = {}
    for node in nodes:
        for pair in devices[node.name].items():
            found.setdefault(pair, []).append(node)
    return found


def _apart(nodes: Sequence[Node]) -> list[list[Node]]:
    """In few groups, in none of which a node reads what another one writes."""
    found: list[list[Node]] = []
    for node in nodes:
        free = (group for group in found if not any(_touch(node, each) for each in group))
        group = next(free, None)
        if group is None:
            found.append([node])
        else:
            group.append(node)
    return found


def _touch(one: Node, other: Node) -> bool:
    """Whether either reads what the other one writes."""
    return any(
        not {value.name for value in first.outputs}.isdisjoint(v.name for v in second.inputs)
        for first, second in ((one, other), (other, one))
    )


def _error(node: Node, results: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> OwnError:
    added: dict[str, Tensor] = {}
    relative = 0.0
    for value in node.outputs:
        found, right = results[value.name], values[value.name]
        if not is_open(value.dtype) or found.shape != right.shape:
            continue
        with np.errstate(invalid="ignore", over="ignore"):
            change = np.asarray(found - right, right.dtype)
        added[value.name] = np.nan_to_num(change, nan=0.0, posinf=0.0, neginf=0.0)
        off, size = squares(found, right)
        relative += off / size if size else 0.0
    return OwnError(added, relative)


def is_open(dtype: str) -> bool:
    """Whether something can be added to it."""
    return dtype in {"float32", "float64", "float16"}
