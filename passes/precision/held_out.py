"""What is found of one plan on held-out samples: its error, and what the user's own metric says."""

from collections.abc import Sequence
from dataclasses import dataclass

from stagecut.compiler.ir.metric import Metric
from stagecut.passes.precision.rms import Pair, rms


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The relative `rms` error; `metric` is the user's own, and `right` that of full precision,
    both None without one."""

    rms: float
    metric: float | None = None
    right: float | None = None

    @property
    def loss(self) -> float:
        """What the metric loses by lower precision, which may be less than nothing; 0 without
        one."""
        return 0.0 if self.metric is None or self.right is None else self.right - self.metric


def held_out_of(pairs: Sequence[Pair], metric: Metric | None) -> HeldOut:
    """`pairs` are on all samples, in the order of those of the metric. Raises MetricError."""
    off = rms(pairs)
    if metric is None:
        return HeldOut(off)
    return HeldOut(off, metric([found for found, _ in pairs]), metric([sure for _, sure in pairs]))
