"""Why not there? What the best plan would cost if one node had to run on a given device."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from stagecut.compiler.ir.solution import Solution


@dataclass(frozen=True, slots=True)
class Alternative:
    """One node on one device, with every other node wherever is then best.

    In the objective's unit: `own` is what the node itself costs there, `total` the least cost of
    such a plan (infinite if there is none), `extra` how much more that is than the best plan.
    """

    device: str
    own: float
    total: float
    extra: float

    @property
    def speedup(self) -> float | None:
        """How many times faster the device would have to run this node to be as good.

        1 where it is as good already; None where it would not be if it took no time at all.
        """
        if self.extra == 0:
            return 1.0
        return self.own / (self.own - self.extra) if self.extra < self.own else None


@dataclass(frozen=True, slots=True)
class Alternatives:
    """The best plan, and every device that can run a node, by node, in the machine's order.

    `devices` are all that the machine has, by name.
    """

    best: Solution
    devices: tuple[str, ...]
    by_node: Mapping[str, tuple[Alternative, ...]]

    def why(self, node: str) -> str:
        """The answer for people: a line for each device."""
        chosen = self.best.assignment[node]
        total = self.best.objective.text(self.best.certificate.total)
        lines = [f"{node} runs on {chosen}; the best plan costs {total}"]
        able = {each.device: each for each in self.by_node[node]}
        for device in self.devices:
            if device not in able:
                lines.append(f"  {device}: cannot run it, or is kept from it")
                continue
            each = able[device]
            says = "chosen" if each.device == chosen else self._verdict(each)
            own = self.best.objective.text(each.own)
            lines.append(f"  {device}: {own} for itself; {says}")
        return "\n".join(lines)

    def _verdict(self, alternative: Alternative) -> str:
        if alternative.extra == 0:
            return "just as good"
        if math.isinf(alternative.total):
            return "no plan can have it there, for want of a link or of room"
        more = f"the plan would cost {self.best.objective.text(alternative.extra)} more"
        if alternative.speedup is None:
            return f"{more}; no better if it were free there"
        return f"{more}; as good if it were {alternative.speedup:.3g} times as fast there"
