"""Claim: where accelerators that are alike have too little room, little is left to be saved.

    python -m benchmarks.capacities [--limit 30]

Partitions workloads of the structure of ResNet-50 and BERT-12 of msr-fiddle/dnn-partitioning
(tests/support/placement_models.py) over a CPU and three accelerators, and prints the total, the
bound and the gap: of `partition`, and of HiGHS alone on the same program. The limit is wall time:
beside it stands the time that the processor had of it.
"""

import argparse
import json
import tempfile
from pathlib import Path
from time import process_time

from benchmarks.support import describe_machine
from benchmarks.turns import ForeignLoad
from stagecut.compiler.formats.placement_json import read_placement
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.objective import LATENCY
from stagecut.compiler.ir.units import seconds
from stagecut.passes.partition.milp.model import partition_program
from stagecut.passes.partition.partition import Partition
from tests.support.placement_models import bert_12, resnet_50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--limit", type=float, default=30.0, help="seconds, for each search")
    limit_s = parser.parse_args().limit
    print(describe_machine())
    print(f"{'workload':10} {'method':10} {'total':>9} {'bound':>9} {'gap':>8} {'CPU':>8}")
    load = ForeignLoad()
    for name, workload in (("resnet-50", resnet_50()), ("bert-12", bert_12())):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"{name}.json")
            path.write_text(json.dumps(workload))
            table = read_placement(path)
        start_s = process_time()
        found = Partition(limit_s=limit_s)(table).certificate
        _print(name, "partition", found.total, found.lower_bound, process_time() - start_s)
        start_s = process_time()
        total, bound = _highs_alone(table, limit_s)
        _print(name, "HiGHS", total, bound, process_time() - start_s)
    print(load)


def _highs_alone(table: CostTable, limit_s: float) -> tuple[float, float]:
    program = partition_program(table, LATENCY).program
    outcome = program.solve(limit_s)
    if outcome.point is None:
        raise AssertionError("everything fits on the CPU")
    return float(outcome.point @ program.prices), outcome.bound


def _print(name: str, method: str, total: float, bound: float, cpu_s: float) -> None:
    gap = f"{1 - bound / total:.2%}"
    found = f"{seconds(total):>9} {seconds(bound):>9} {gap:>8}"
    print(f"{name:10} {method:10} {found} {seconds(cpu_s):>8}", flush=True)


if __name__ == "__main__":
    main()
