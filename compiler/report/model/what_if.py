"""What the plan would cost with one node somewhere else, everything else left where it is.

Only the node's own cost, the copies of the values it touches and the stages at its borders can
change, so that a question is answered without adding up the whole plan again.
"""

import math
from collections import ChainMap
from collections.abc import Mapping, Sequence

from stagecut.compiler.ir.costs import CostTable, Moves


class Elsewhere:
    """Answers for one assignment; `order` is the order in which the nodes run."""

    def __init__(self, table: CostTable, placed: Mapping[str, str], order: Sequence[str]) -> None:
        self._placed = dict(placed)
        self._order = order
        self._position = {name: index for index, name in enumerate(order)}
        self._nodes = {node.name: node for node in table.nodes}
        self._memory = {device.name: device.memory for device in table.machine.devices}
        self._stage_s = {device.name: device.stage_s for device in table.machine.devices}
        self._moves = Moves(table)
        self._start = {end.name: end.memory for end in table.inputs}
        self._end = {end.name: end.memory for end in table.outputs}
        self._producer: dict[str, str] = {}
        self._consumers: dict[str, list[str]] = {}
        for node in table.nodes:
            self._producer.update(dict.fromkeys(node.outputs, node.name))
            for value in node.inputs:
                self._consumers.setdefault(value, []).append(node.name)

    def extra_s(self, node: str, device: str) -> float:
        """Seconds that the plan gains when `node` runs on `device`, which must be able to.

        Negative where the move would help; infinite where no link leads to what the node touches.
        """
        here_s = self._share_s(node, self._placed)
        there_s = self._share_s(node, ChainMap({node: device}, self._placed))
        tie = math.isclose(here_s, there_s, rel_tol=1e-12)  # but for rounding
        return 0.0 if tie else there_s - here_s

    def _share_s(self, name: str, placed: Mapping[str, str]) -> float:
        """All parts of the total that depend on where `name` runs."""
        node = self._nodes[name]
        touched = dict.fromkeys((*node.inputs, *node.outputs))
        moves_s = math.fsum(self._copies_s(value, placed) for value in touched)
        return node.run_s[placed[name]] + moves_s + self._starts_s(name, placed)

    def _copies_s(self, value: str, placed: Mapping[str, str]) -> float:
        producer = self._producer.get(value)
        source = self._start.get(value) if producer is None else self._memory[placed[producer]]
        if source is None:  # a free input: it is wherever it is wanted
            return 0.0
        targets = {self._memory[placed[reader]] for reader in self._consumers.get(value, ())}
        targets |= {self._end[value]} if value in self._end else set()
        return math.fsum(self._moves.time_s(value, source, target) for target in targets)

    def _starts_s(self, name: str, placed: Mapping[str, str]) -> float:
        """What starting this node's stage and the next node's costs, where these begin stages."""
        first = self._position[name]
        pair = range(first, min(first + 2, len(self._order)))
        return math.fsum(self._start_s(position, placed) for position in pair)

    def _start_s(self, position: int, placed: Mapping[str, str]) -> float:
        device = placed[self._order[position]]
        continues = position > 0 and placed[self._order[position - 1]] == device
        return 0.0 if continues else self._stage_s[device]
