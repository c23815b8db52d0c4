"""Claim: the exact partitioner takes time in proportion to the nodes, and little of it.

    python -m benchmarks.partition_scale [--largest 128000] [--rounds 5] [--limit 60]
    python -m benchmarks.partition_scale --against FOLDER

Solves residual transformer blocks (4 devices, 3 memories, tests/support/synthetic_tables.py) of
growing size with `partition`, and the same tables with HiGHS as long as it stays below the limit.
Both find the optimum; the totals are compared. Prints a table and draws it into
out/partition_scale.png.

With `--against`, an older checkout of stagecut solves the same tables instead of HiGHS, in turns
with this one, both in fresh processes for each size. Each turn has a table that nobody has looked
at before.
"""

import argparse
import math
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.drawing import Panel, Series, panels
from benchmarks.support import describe_machine, spread
from benchmarks.turns import ForeignLoad, in_turns, side_by_side, sides
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.solution import Solution
from stagecut.compiler.ir.units import seconds
from stagecut.passes.partition.milp.milp import Milp
from stagecut.passes.partition.partition import Partition
from tests.support.synthetic_tables import transformer

SMALLEST = 125

#: What each checkout does; the imports of one before its folders became floors come second.
SOURCE = """
import gc, json, sys, time
from dataclasses import replace
try:
    from stagecut.passes.partition.partition import Partition
    from tests.support.synthetic_tables import transformer
except ImportError:
    from stagecut.passes.partition import Partition
    from benchmarks.tables import transformer
table = transformer(int(sys.argv[1]))
Partition()(transformer(125))
print("ready", flush=True)
for _ in sys.stdin:
    fresh = replace(table)
    gc.collect()
    start_s = time.perf_counter()
    solution = Partition()(fresh)
    answer = {"time_s": time.perf_counter() - start_s, "total_s": solution.total_s}
    print(json.dumps(answer), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One size: the median times of both, NaN where HiGHS was left out."""

    nodes: int
    width: int | None
    partition_s: float
    highs_s: float


def main() -> None:
    options = _arguments()
    print(describe_machine())
    if options.against is not None:
        _compare(options.against, options.largest, options.rounds)
        return
    print(f"{'nodes':>8} {'width':>6} {'partition':>10} {'per node':>10} {'HiGHS':>10}")
    rows = []
    load = ForeignLoad()
    for row in _measured(options.largest, options.rounds, options.limit):
        rows.append(row)
        highs = "-" if math.isnan(row.highs_s) else seconds(row.highs_s)
        print(
            f"{row.nodes:8} {row.width!s:>6} {seconds(row.partition_s):>10} "
            f"{seconds(row.partition_s / row.nodes):>10} {highs:>10}"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"largest memory of the process, tables and HiGHS included: {peak:.2f} GiB")
    print(load)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    _draw(rows, options.output)
    print(f"drawn into {options.output}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--largest", type=int, default=128_000, help="nodes")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each; medians are shown")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds, for HiGHS")
    parser.add_argument("--output", type=Path, default=Path("out/partition_scale.png"))
    parser.add_argument("--against", type=Path, help="folder of an older checkout of stagecut")
    return parser.parse_args()


def _compare(against: Path, largest: int, rounds: int) -> None:
    """Prints a line for each size: medians, ranges, and the median of the ratios in a round."""
    folders = sides(against)
    print(f"old: {against}, {rounds} rounds")
    print(f"{'nodes':>8} {'new':>34} {'old':>34} {'old / new':>9}")
    nodes = SMALLEST
    load = ForeignLoad()
    while nodes <= largest:
        times_s: dict[str, list[float]] = {name: [] for name in folders}
        totals_s = set()
        with side_by_side(folders, SOURCE, str(nodes)) as checkouts:
            for name in in_turns([*folders], rounds):
                answer = checkouts[name].ask()
                times_s[name].append(answer["time_s"])
                totals_s.add(answer["total_s"])
        if not math.isclose(min(totals_s), max(totals_s), rel_tol=1e-9):
            raise AssertionError(f"{nodes} nodes: the totals are {sorted(totals_s)}")
        pairs = zip(times_s["old"], times_s["new"], strict=True)
        ratio = statistics.median(old_s / new_s for old_s, new_s in pairs)
        told = " ".join(f"{spread(times_s[name]):>34}" for name in ("new", "old"))
        print(f"{nodes:8} {told} {ratio:9.2f}", flush=True)
        nodes *= 2
    print(load)


def _measured(largest: int, rounds: int, limit_s: float) -> Iterator[Row]:
    nodes, highs_s = SMALLEST, 0.0
    while nodes <= largest:
        table = transformer(nodes)
        partition_s, best = _timed(Partition(), table, rounds)
        if not best.certificate.exact:
            raise AssertionError(f"{nodes} nodes: {best.certificate}")
        # HiGHS takes a bit more than twice as long for twice the nodes.
        if highs_s * 3 < limit_s:
            highs_s, second = _timed(Milp(limit_s=limit_s), table, 1)
            if not math.isclose(second.total_s, best.total_s, rel_tol=1e-9):
                raise AssertionError(f"{nodes} nodes: {second.certificate}, {best.certificate}")
        else:
            highs_s = math.nan
        yield Row(nodes, best.certificate.width, partition_s, highs_s)
        nodes *= 2


def _timed(
    solve: Callable[[CostTable], Solution], table: CostTable, rounds: int
) -> tuple[float, Solution]:
    times_s = []
    for _ in range(rounds):
        start_s = time.perf_counter()
        solution = solve(table)
        times_s.append(time.perf_counter() - start_s)
    return statistics.median(times_s), solution


def _draw(rows: list[Row], output: Path) -> None:
    last = rows[-1]
    series: Series = {
        "stagecut partition, exact": [row.partition_s for row in rows],
        "HiGHS, exact": [None if math.isnan(row.highs_s) else row.highs_s for row in rows],
        "in proportion to the nodes": [last.partition_s * row.nodes / last.nodes for row in rows],
    }
    panels(
        output,
        [[Panel("4 devices, 3 memories", [row.nodes for row in rows], series)]],
        across="nodes of residual transformer blocks",
        up="seconds",
        text=seconds,
        one=False,
    )


if __name__ == "__main__":
    main()
