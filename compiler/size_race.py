"""Sizes of calls that single turns do not tell apart: each takes turns with the next.

    inputs in a call   1       2       4       8
    an input, seen     27 ms   26.4    26.2    26.3        each once, minutes apart
    in turns                           0.98    0.997       4 over 2, 8 over 4: 4 it is

No more of them are prepared at once than two. More inputs in a call have to be worth it, as each
waits for the last one of its call.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stagecut.compiler.call_times import WORTH
from stagecut.compiler.context import Settings
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.ir.program import Program
from stagecut.compiler.measurements import Measurements
from stagecut.compiler.ratio_race import at_worst, ratios_in_turns
from stagecut.compiler.whole_replicas import ReadyReplicas, Replicas, proposals_of
from stagecut.passes.partition.restrict import Restrict
from stagecut.runtime.stream.full import FEW

#: What is seen of two sizes, some minutes apart, may be off by so much.
_UNSURE = 0.05


@dataclass(frozen=True, slots=True)
class Sized:
    """Calls of `size` inputs, of which `seen` was seen right after single inputs had `alone_s`."""

    size: int
    program: Program
    seen: Replicas
    alone_s: float

    @property
    def device(self) -> str:
        """The fastest."""
        return min(self.seen.period_s, key=self.seen.period_s.__getitem__)

    @property
    def part(self) -> float:
        """An input's time over that of single inputs."""
        return min(self.seen.period_s.values(), default=math.inf) / self.size / self.alone_s


@dataclass(frozen=True, slots=True)
class SizeRace:
    """`measurable` brings a program as far as it can be measured."""

    measurable: Callable[[Program], tuple[Measurements, ExpandedGraph]]
    restrict: Restrict
    settings: Settings

    def best(self, seen: Sequence[Sized]) -> tuple[Sized, tuple[str, ...]]:
        """The best of at least one size, which grow, and what was told of them in turns."""
        least = min(each.part for each in seen)
        best, *others = (each for each in seen if each.part <= (1 + _UNSURE) * least)
        told: tuple[str, ...] = ()
        for other in others:
            try:
                ratios = self._in_turns(best, other)
            except StagecutError:
                continue
            ratio = at_worst(ratios)
            told = (*told, f"{other.size} in turns with {best.size}: {ratio:.3f} of its time")
            if ratio < 1 - WORTH:
                best = other
        return best, told

    def _in_turns(self, fewer: Sized, more: Sized) -> tuple[float, ...]:
        """Times of an input with more in a call over those with fewer. Raises StagecutError."""
        turns = self._turn(fewer), self._turn(more)
        return ratios_in_turns(turns, self.settings, "comparing sizes of batches")

    def _turn(self, sized: Sized) -> Callable[[], float]:
        """What tells an input's time in a turn. Raises StagecutError."""
        measurements, expanded = self.measurable(sized.program)
        proposals = proposals_of(expanded, self.restrict)
        ready = ReadyReplicas.on(sized.device, measurements, proposals)
        least = math.ceil(FEW / sized.size)
        return lambda: ready.turn(least).run.period_s / sized.size
