"""Claim: elimination or HiGHS is chosen by the work that each predicts, and the choice is right.

    python -m benchmarks.partition_width [--limit 20]

Solves graphs of growing width, all with 4 devices in 3 memories, by elimination and as an integer
program, and prints what each took beside what was predicted: the entries of all tables, and the
nonzeros of the program. Elimination is left out where it would compute more than 300 million
entries. The totals are compared.
"""

import argparse
import math
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from benchmarks.support import describe_machine
from benchmarks.turns import ForeignLoad
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.objective import LATENCY
from stagecut.compiler.ir.units import seconds
from stagecut.passes.partition.exact.arrays import table_arrays
from stagecut.passes.partition.exact.elimination import minimise
from stagecut.passes.partition.exact.model import Starts, factor_model
from stagecut.passes.partition.exact.ordering import elimination_order
from stagecut.passes.partition.milp.model import partition_program
from stagecut.passes.partition.partition import Partition
from tests.support.synthetic_tables import dense, ladder, tangle, transformer

T = TypeVar("T")

#: Entries of tables that elimination is let compute here.
MOST_ENTRIES = 3e8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--limit", type=float, default=20.0, help="seconds, for HiGHS")
    limit_s = parser.parse_args().limit
    print(describe_machine())
    print(
        f"{'graph':18} {'entries':>9} {'elimination':>11} {'nonzeros':>9} {'HiGHS':>9} "
        f"{'entries/nz':>10}  chosen"
    )
    load = ForeignLoad()
    for table in tables():
        print(_line(table, limit_s), flush=True)
    print(load)


def tables() -> Iterator[CostTable]:
    for nodes in (8, 9, 10, 11, 12, 20, 40):
        yield dense(nodes)
    for width in (2, 3, 4, 5, 6, 8, 16):
        yield ladder(width, 40)
    yield ladder(16, 100)
    for nodes in (16, 24, 32, 100):
        yield tangle(nodes)
    for nodes in (125, 1000):
        yield transformer(nodes)


def _line(table: CostTable, limit_s: float) -> str:
    graph = factor_model(table_arrays(table, LATENCY), Starts.none()).graph
    order = elimination_order(graph)
    if order is None:
        raise AssertionError("there is an order where no limit is set")
    built, built_s = _timed(lambda: partition_program(table, LATENCY).program)
    outcome, solved_s = _timed(lambda: built.solve(limit_s))
    eliminated = "-"
    if order.entries <= MOST_ENTRIES:
        found, eliminated_s = _timed(lambda: minimise(graph, order))
        eliminated = seconds(eliminated_s)
        if outcome.solved and not math.isclose(found.value, outcome.bound, rel_tol=1e-9):
            raise AssertionError(f"{table.name}: {found.value}, {outcome.bound}")
    highs = seconds(built_s + solved_s) if outcome.solved else f"> {limit_s:g} s"
    nonzeros = len(built.entries)
    proof = Partition(limit_s=limit_s)(table).certificate.proof.rpartition(" ")[2]
    return (
        f"{table.name:18} {order.entries:9.2g} {eliminated:>11} {nonzeros:9} {highs:>9} "
        f"{order.entries / nonzeros:10.2g}  {proof}"
    )


def _timed(run: Callable[[], T]) -> tuple[T, float]:
    start_s = time.perf_counter()
    found = run()
    return found, time.perf_counter() - start_s


if __name__ == "__main__":
    main()
