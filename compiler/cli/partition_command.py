"""`stagecut partition`: solve a cost table, wherever it comes from."""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from stagecut.compiler import units
from stagecut.compiler.cli import common

if TYPE_CHECKING:
    from stagecut.compiler.costs import CostTable
    from stagecut.compiler.solution import Solution

METHODS = ("optimal", "greedy", "priority", "single", "chain", "milp")


def partition(
    costs: Annotated[
        Path, typer.Argument(metavar="COSTS", help="A cost table, such as `profile` writes.")
    ],
    method: Annotated[
        str, typer.Option(metavar="|".join(METHODS), help="How to place the nodes.")
    ] = "optimal",
    device: Annotated[
        list[str] | None,
        typer.Option(
            "--device",
            metavar="NAME",
            help="For --method priority: the devices, best first. For single: the one.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the assignment here, as JSON.")
    ] = None,
    json: common.JsonOption = False,
) -> None:
    """Place every node of a cost table on a device, and prove how good that is.

    The default method is exact: no other assignment costs less.

      stagecut partition costs.json
      stagecut partition costs.json --method priority --device pim --device cpu.serial --json
    """
    from stagecut.compiler.archive import replacing
    from stagecut.compiler.costs_json import read_costs

    table = read_costs(costs)
    solve = _solver(common.one_of(method, METHODS, "--method"), device or [])
    start_s = perf_counter()
    solution = solve(table)
    solve_s = perf_counter() - start_s
    document = _document(solution, solve_s)
    if output is not None:
        with replacing(output) as temporary:
            temporary.write_text(common.json_text(dict(solution.assignment.devices)))
    if json:
        common.print_json(document)
    else:
        _show(solution, solve_s)


def _solver(method: str, devices: list[str]) -> "Callable[[CostTable], Solution]":
    from stagecut.passes.chain import Chain
    from stagecut.passes.greedy import Greedy
    from stagecut.passes.milp import Milp
    from stagecut.passes.partition import Partition
    from stagecut.passes.priority import Priority
    from stagecut.passes.single import Single

    solvers: dict[str, Callable[[CostTable], Solution]] = {
        "optimal": Partition(),
        "greedy": Greedy(),
        "priority": Priority(tuple(devices)),
        "single": Single(devices[0] if devices else None),
        "chain": Chain(),
        "milp": Milp(),
    }
    return solvers[method]


def _document(solution: "Solution", solve_s: float) -> dict[str, object]:
    certificate = solution.certificate
    return {
        "method": solution.method,
        "objective": "latency",
        "total_s": solution.total_s,
        "certificate": {
            "total": certificate.total,
            "lower_bound": certificate.lower_bound,
            "gap": certificate.gap,
            "exact": certificate.exact,
            "width": certificate.width,
        },
        "assignment": dict(solution.assignment.devices),
        "copies": [
            {
                "value": copy.value,
                "source": copy.source,
                "target": copy.target,
                "move_s": copy.move_s,
            }
            for copy in solution.copies
        ],
        "solve_s": solve_s,
    }


def _show(solution: "Solution", solve_s: float) -> None:
    certificate = solution.certificate
    proof = "optimal" if certificate.exact else f"at most {certificate.gap:.2%} above the optimum"
    typer.echo(f"{solution.method}: {units.seconds(solution.total_s)}, {proof}")
    typer.echo(f"  nodes   {units.seconds(solution.breakdown.run_s)}")
    typer.echo(f"  copies  {units.seconds(solution.breakdown.move_s)} ({len(solution.copies)})")
    if solution.breakdown.stage_s:
        typer.echo(f"  stages  {units.seconds(solution.breakdown.stage_s)}")
    counts: dict[str, int] = {}
    for name in solution.assignment.devices.values():
        counts[name] = counts.get(name, 0) + 1
    for name, count in counts.items():
        typer.echo(f"  {count} nodes on {name}")
    typer.echo(f"solved in {units.seconds(solve_s)}; --json names every node")
