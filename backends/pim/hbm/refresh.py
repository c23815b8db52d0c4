"""What refresh adds: each one that falls into a run makes it longer, and may let in the next.

Ranks are refreshed in turn, so the first refresh comes tREFI / ranks after the start and then one
every tREFI. A run of b cycles with a stall of s a refresh meets refresh k (from 0) when

    first + k tREFI < b + k s      so the number met is      ceil((b - first) / (tREFI - s)).
"""

from stagecut.backends.pim.hbm import fixed
from stagecut.backends.pim.hbm.intervals import Intervals
from stagecut.backends.pim.hbm.kernels import Kernel


def met(i: Intervals, cycles: int, stall: int, *, start: int = 0) -> int:
    """Refreshes that a run meets which began at `start` and takes `cycles` without them."""
    t = i.timing
    first = t.trefi // i.geometry.ranks
    passed = max(0, -(-(start - first) // t.trefi))
    left = start + cycles - (first + passed * t.trefi)
    return max(0, -(-left // (t.trefi - stall))) if t.refresh else 0


def kernel_stall(i: Intervals) -> int:
    """Cycles that a refresh holds a kernel up: tRFC, and what opening rows again costs.

    The 11 are fitted to the simulator; they differ with where in the kernel the refresh falls.
    """
    return i.timing.trfc + 11


def kernel_cycles(i: Intervals, kernel: Kernel) -> int:
    """Cycles of `kernel` with refresh; one that falls into its last drain holds nothing up."""
    stall = kernel_stall(i)
    return kernel.cycles + stall * met(i, kernel.cycles - fixed.drain(i), stall)


def read_stall(i: Intervals) -> int:
    """Cycles that a refresh holds a stream of reads up: the row is closed and opened again."""
    return i.timing.trfc + i.timing.trp + i.timing.trcdrd
