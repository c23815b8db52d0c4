"""Where what a sequence holds lies: a step may have variants by length, whose homes differ.

length     0 ... 299        300 ... 4,095
variant    0: host          1: pim.aim          what is held moves at 300, once; back if truncated
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.errors import RangeFault
from stagecut.compiler.ir.machine import HOST
from stagecut.runtime.decoding.rows import Rows


class Holder(Protocol):
    """A variant of the step, which knows where states lie that it reads."""

    @property
    def homes(self) -> Mapping[str, str]:
        """The memories of those that are not in the host's, by the names of inputs."""
        ...

    def moved(self, name: str, rows: Tensor) -> Tensor:
        """`rows` that lie in the host's memory, as they are once they lie in its home. Raises
        RangeFault for numbers that cannot be held there."""
        ...


@dataclass(frozen=True, slots=True)
class Brought:
    """What the step behind a sequence reads in another place than what was held so far: the rows
    that `moved`, by the names of inputs. The sequence goes on with `variant` once it has run;
    `stays` where this is not the one for its length."""

    variant: int = 0
    moved: Feeds = field(default_factory=dict)
    stays: bool = False


@dataclass(frozen=True, slots=True)
class Moves:
    """Between `variants`, each but the first of which runs from a length of `switches` on."""

    switches: tuple[int, ...] = ()
    variants: Sequence[Holder] = ()

    def bring(self, rows: Rows) -> Brought:
        """What `rows` holds where the step behind it reads it; `rows` itself stays as it is.

        Where numbers are too large for that place, the variant that ran before reads them where
        they are. Raises EngineError where a link fails.
        """
        at = bisect_right(self.switches, rows.length)
        if at == rows.variant:
            return Brought(at)
        before, now = self.variants[rows.variant].homes, self.variants[at]
        moving = [
            name
            for name, home in now.homes.items()
            if name in rows.pasts and before.get(name, HOST) != home
        ]
        try:
            moved = {name: now.moved(name, held) for name, held in rows.named(moving)}
        except RangeFault:
            return Brought(rows.variant, stays=True)
        return Brought(at, moved)


#: Of a step with one variant.
NO_MOVES = Moves()
