"""What `stagecut bench` says: a plan beside its rivals, as JSON and for people."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stagecut.compiler.cli.run_output import latency_figures
from stagecut.compiler.ir import units

if TYPE_CHECKING:
    from stagecut.compiler.cli.contestant import Turn


@dataclass(slots=True)
class Row:
    """The turns of one, the plan's own first; or why it does not run the model."""

    name: str
    turns: "list[Turn]" = field(default_factory=list)
    failure: str = ""

    @property
    def latencies_s(self) -> list[float]:
        return [each for turn in self.turns for each in turn.latencies_s]

    @property
    def medians(self) -> dict[str, float]:
        """Inputs a second by each way of running many, the best first."""
        found = {
            way: statistics.median(turn.inputs_per_s[way] for turn in self.turns)
            for way in self.turns[0].inputs_per_s
        }
        return dict(sorted(found.items(), key=lambda each: -each[1]))

    @property
    def way(self) -> str:
        """That by which most inputs a second come out."""
        return next(iter(self.medians))

    @property
    def rates(self) -> list[float]:
        """By that way."""
        way = self.way
        return [turn.inputs_per_s[way] for turn in self.turns]

    @property
    def steady_bytes(self) -> int:
        return int(statistics.median(turn.memory.steady_bytes for turn in self.turns))

    @property
    def peak_bytes(self) -> int:
        return max(turn.memory.peak_bytes for turn in self.turns)


def document(rows: Sequence[Row]) -> dict[str, object]:
    return {"rows": [_row(row) for row in rows]}


def _row(row: Row) -> dict[str, object]:
    if row.failure:
        return {"name": row.name, "failure": row.failure}
    return {
        "name": row.name,
        "latency_s": latency_figures(row.latencies_s),
        "inputs_per_s": {
            "median": statistics.median(row.rates),
            "min": min(row.rates),
            "max": max(row.rates),
            "turns": len(row.rates),
            "ways": row.medians,
        },
        "memory_bytes": {"steady": row.steady_bytes, "peak": row.peak_bytes},
    }


def lines(rows: Sequence[Row], taken: float | None, instead: str = "") -> Iterator[str]:
    """`taken` is the part of the CPUs that other work took, where that is known. `instead` makes a
    plan that is for many inputs at once, where this is not."""
    width = max(len(row.name) for row in rows)
    heads = f"{'p50':>8}  {'p90':>8}  {'p99':>8}  {'inputs/s':>9}  {'memory':>8}  {'peak':>8}"
    yield f"{'':{width}}  {heads}"
    for row in rows:
        if row.failure:
            yield f"{row.name:{width}}  does not run it: {row.failure}"
            continue
        figures = latency_figures(row.latencies_s)
        parts = (units.seconds(figures[name]) for name in ("median", "p90", "p99"))
        latencies = "  ".join(f"{each:>8}" for each in parts)
        memory = f"{units.size(row.steady_bytes):>8}  {units.size(row.peak_bytes):>8}"
        yield f"{row.name:{width}}  {latencies}  {statistics.median(row.rates):>9.1f}  {memory}"
    yield from _verdict(rows, instead)
    if taken is not None:
        yield f"meanwhile other work took {taken:.0%} of the CPUs"


def _verdict(rows: Sequence[Row], instead: str) -> Iterator[str]:
    plan, *others = rows
    if len(plan.medians) > 1:
        ways = ", ".join(f"{rate:.1f} by {way}" for way, rate in plan.medians.items())
        yield f"inputs/s of {plan.name}: {ways}"
    running = [row for row in others if not row.failure]
    if not running:
        return
    quickest = min(running, key=lambda row: statistics.median(row.latencies_s))
    ratio = _ratio(
        [statistics.median(turn.latencies_s) for turn in quickest.turns],
        [statistics.median(turn.latencies_s) for turn in plan.turns],
    )
    yield f"one input at a time, the plan is {ratio} as fast as {quickest.name}"
    fullest = max(running, key=lambda row: statistics.median(row.rates))
    yield f"many at once, it is {_ratio(plan.rates, fullest.rates)} as fast as {fullest.name}"
    if instead and statistics.median(fullest.rates) > statistics.median(plan.rates):
        yield f"the plan is for single runs; for many at once there is: {instead}"


def _ratio(above: Sequence[float], below: Sequence[float]) -> str:
    """Turn by turn, because a clock that changes slows both."""
    ratios = [one / other for one, other in zip(above, below, strict=True)]
    text = f"{statistics.median(ratios):.2f} times"
    return f"{text} ({min(ratios):.2f} .. {max(ratios):.2f})" if len(ratios) > 1 else text
