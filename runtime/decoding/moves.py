"""Where what a sequence holds lies: a step may have variants by length, whose homes differ.

length     0 ... 299        300 ... 4,095
variant    0: host          1: pim.aim          what is held moves at 300, once; back if truncated
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.machine import HOST
from stagecut.runtime.decoding.rows import Rows


class Holder(Protocol):
    """A variant of the step, which knows where states lie that it reads."""

    @property
    def homes(self) -> Mapping[str, str]:
        """The memories of those that are not in the host's, by the names of inputs."""
        ...

    def moved(self, name: str, rows: Tensor) -> Tensor:
        """`rows` that lie in the host's memory, as they are once they lie in its home."""
        ...


@dataclass(frozen=True, slots=True)
class Moves:
    """Between `variants`, each but the first of which runs from a length of `switches` on."""

    switches: tuple[int, ...] = ()
    variants: Sequence[Holder] = ()

    def bring(self, rows: Rows) -> None:
        """Let what `rows` holds lie where the step behind it reads it; an error leaves it as it
        was."""
        at = bisect_right(self.switches, rows.length)
        if at == rows.variant:
            return
        before, now = self.variants[rows.variant].homes, self.variants[at]
        moving = [
            name
            for name, home in now.homes.items()
            if name in rows.pasts and before.get(name, HOST) != home
        ]
        rows.rewrite({name: now.moved(name, held) for name, held in rows.named(moving)})
        rows.variant = at


#: Of a step with one variant.
NO_MOVES = Moves()
