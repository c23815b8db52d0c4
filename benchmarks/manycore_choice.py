"""Claim: what the partitioner makes of this machine's CPUs with a many-core chip beside them.

    python -m benchmarks.manycore_choice [--models vit-b,gpt-j] [--precisions fp64,fp8]
                                         [--tokens 128] [--tolerance 0.02] [--output out]

A block of each model, with random weights: CPUs measured, chip and links modelled (~). A model is
so many equal blocks, so that what it takes is a multiple of that; between blocks nothing is taken
to change place. Times of a block:

    CPU        all on cpu.parallel
    library    the published library on the chip wherever it can, the rest on the CPUs
    levers     the same with every lever, tiles found among them
    choice     stagecut's choice of the CPUs and the chip with every lever, proven
    tolerance  where --tolerance is given: its choice of the CPUs and such chips in every precision,
               whose result is off by no more than that; each has a memory of its own, so that
               what changes precision goes by way of the host

Decoders see `--tokens` tokens, or one against a cache of so many, which stays where it is (not in
the plan that is made for a tolerance: there is none for one token). Writes manycore_choice.json.
"""

import argparse
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.manycore import EVERYTHING, PRECISIONS, cases, spec_after
from benchmarks.manycore_block import CACHE, block
from benchmarks.manycore_models import MODELS, Case
from benchmarks.support import describe_machine, keep
from benchmarks.turns import ForeignLoad
from stagecut.compiler import compile_model
from stagecut.compiler.context import Settings
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.solution import Solution
from stagecut.compiler.ir.units import seconds
from stagecut.compiler.profiling import profile_model
from stagecut.passes.partition.baselines.priority import Priority
from stagecut.passes.partition.baselines.single import Single
from stagecut.passes.partition.partition import Partition
from stagecut.passes.sweep.catalogue import only

CPU, LIBRARY, LEVERS = "cpu.parallel", "library", "levers"
CHIP = "manycore.snitch16"
TOKENS = 128
METHODS = ("CPU", "library", "levers", "choice", "tolerance")


@dataclass(frozen=True, slots=True)
class Row:
    """Seconds of a block by each method; `nodes` says how many of the choice's are on what."""

    model: str
    mode: str
    tokens: int
    precision: str
    blocks: int
    totals_s: Mapping[str, float]
    nodes: Mapping[str, int]
    nodes_with_tolerance: Mapping[str, int]
    certificate: str


def main() -> None:
    options = _arguments()
    print(f"{describe_machine()}\nCPU measured, chip and links modelled (~); times of a block")
    print(_heading())
    load, rows = ForeignLoad(), list[Row]()
    models = [MODELS[name] for name in options.models.split(",")]
    for case in cases(models, options.precisions.split(","), [options.tokens], []):
        rows.append(chosen(case, options.tolerance))
        print(_line(rows[-1]), flush=True)
    print(load)
    document = {
        "machine": describe_machine(),
        "basis": "modelled",
        "load": str(load),
        "rows": [asdict(row) for row in rows],
    }
    keep("manycore_choice", document, None, options.output)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", default=",".join(MODELS), help=", ".join(MODELS))
    parser.add_argument("--precisions", default=",".join(PRECISIONS))
    parser.add_argument("--tokens", type=int, default=TOKENS, help="of decoders")
    parser.add_argument("--tolerance", type=float, help="how far off the result may be")
    parser.add_argument("--output", type=Path, default=Path("out"), help="folder for the results")
    return parser.parse_args()


def chosen(case: Case, tolerance: float | None, settings: Settings = Settings()) -> Row:
    """One row of the table."""
    model, feeds = block(case)
    devices = [
        CPU,
        f"{LIBRARY}={CHIP}:precision={case.precision}",
        f"{LEVERS}={_with_levers(case)}",
    ]
    profiled = profile_model(model, feeds=feeds, devices=devices, settings=settings)
    table = _cache_at_home(profiled.costs)
    choice = Partition()(only(table, (CPU, LEVERS)))
    solutions = {
        "CPU": Single(CPU)(only(table, (CPU,))),
        "library": Priority((LIBRARY, CPU))(only(table, (CPU, LIBRARY))),
        "levers": Priority((LEVERS, CPU))(only(table, (CPU, LEVERS))),
        "choice": choice,
    }
    totals_s = {name: solution.total_s for name, solution in solutions.items()}
    found: Mapping[str, int] = {}
    if tolerance is not None and case.mode != "ar":
        totals_s["tolerance"], found = _within(case, tolerance, settings)
    return Row(
        case.model.name,
        case.mode,
        case.tokens,
        case.precision,
        case.model.blocks,
        totals_s,
        _placed(choice),
        found,
        str(choice.certificate),
    )


def _with_levers(case: Case) -> str:
    return spec_after(CHIP, case, EVERYTHING)


def _within(case: Case, tolerance: float, settings: Settings) -> tuple[float, Mapping[str, int]]:
    """The predicted time of a plan whose result is measured to be within the tolerance."""
    model, feeds = block(case)
    chips = {each: _with_levers(replace(case, precision=each)) for each in PRECISIONS}
    devices = [CPU, *(f"{precision}={chip}" for precision, chip in chips.items())]
    plan = compile_model(
        model, feeds=feeds, devices=devices, tolerance=tolerance, settings=settings
    )
    planned = plan.first.planned
    return planned.account.latency_s, Counter(planned.schedule.device_of.values())


def _cache_at_home(table: CostTable) -> CostTable:
    """Without the ends that are a cache: it is wherever it is wanted, and stays there."""
    return replace(
        table,
        inputs=tuple(end for end in table.inputs if end.name not in CACHE),
        outputs=tuple(end for end in table.outputs if end.name not in CACHE),
    )


def _placed(solution: Solution) -> Mapping[str, int]:
    return Counter(solution.assignment.devices.values())


def _heading() -> str:
    totals = " ".join(f"{name:>9}" for name in METHODS)
    return f"{'model':8} {'mode':8} {'tokens':>6} {'precision':9} {totals}  the choice's nodes"


def _line(row: Row) -> str:
    totals = " ".join(
        f"{seconds(row.totals_s[name]) if name in row.totals_s else '':>9}" for name in METHODS
    )
    nodes = ", ".join(f"{count} {device}" for device, count in row.nodes.items())
    more = ", ".join(f"{count} {device}" for device, count in row.nodes_with_tolerance.items())
    return (
        f"{row.model:8} {row.mode:8} {row.tokens:6} {row.precision:9} {totals}  {nodes}"
        f"{f'; with tolerance {more}' if more else ''}"
    )


if __name__ == "__main__":
    main()
