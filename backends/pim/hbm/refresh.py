"""Cycles that refresh adds to a kernel or a stream.

A refresh that falls into the run of a kernel makes it longer, so that another refresh may fall into
it. Ranks are refreshed in turn: the first refresh comes tREFI / ranks after the start, and then one
every tREFI. A run of b cycles that each refresh delays by s meets refresh k (from 0) when

    first + k tREFI < b + k s      so the number met is      ceil((b - first) / (tREFI - s)).

For b = 5700 and s = tRFC + 11 = 361 with the preset's timing (tREFI = 3900, two ranks), the second
refresh falls into the run only because the first has made it longer:

    cycle     0           1950       2311        5850       6211       6422
              | 1950 of b | 361, REF | 3539 of b | 361, REF | 211 of b |
"""

from stagecut.backends.pim.hbm import fixed
from stagecut.backends.pim.hbm.intervals import Intervals
from stagecut.backends.pim.hbm.kernels import Kernel


def met(i: Intervals, cycles: int, stall: int, *, start: int = 0) -> int:
    """Number of refreshes in a run that takes `cycles` without them, and `stall` more for each.

    The run begins `start` cycles after the kernel from whose beginning refreshes are counted.
    """
    t = i.timing
    first = t.trefi // i.geometry.ranks
    passed = max(0, -(-(start - first) // t.trefi))
    left = start + cycles - (first + passed * t.trefi)
    return max(0, -(-left // (t.trefi - stall))) if t.refresh else 0


def kernel_stall(i: Intervals) -> int:
    """Cycles by which a refresh delays a kernel: tRFC, and the time to open rows again.

    The 11 cycles for that are fitted to the simulator; in truth they depend on where in the kernel
    the refresh falls.
    """
    return i.timing.trfc + 11


def kernel_cycles(i: Intervals, kernel: Kernel) -> int:
    """Cycles of `kernel` with refresh; one that falls into the final drain delays nothing."""
    stall = kernel_stall(i)
    return kernel.cycles + stall * met(i, kernel.cycles - fixed.drain(i), stall)
