"""What `stagecut partition` prints: solutions, methods side by side, and reasons."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from stagecut.compiler.ir import units
from stagecut.compiler.ir.costs import ENERGY, CostTable
from stagecut.compiler.ir.schedule import Run
from stagecut.compiler.ir.solution import Alternative, Alternatives, Solution
from stagecut.compiler.report import wording
from stagecut.passes.partition.baselines.methods import Solved


def solution_document(table: CostTable, solution: Solution, solve_s: float) -> dict[str, object]:
    """For JSON; the energy only where all of it is known."""
    certificate, account = solution.certificate, solution.account
    document: dict[str, object] = {
        "method": solution.method,
        "objective": str(solution.objective),
        "total_s": solution.total_s,
    }
    if solution.total_j is not None:
        document["total_j"] = solution.total_j
    document["certificate"] = {
        "total": certificate.total,
        "lower_bound": certificate.lower_bound,
        "gap": certificate.gap,
        "exact": certificate.exact,
        "scope": certificate.scope,
        "width": certificate.width,
        "proof": certificate.proof,
    }
    document["assignment"] = dict(solution.assignment.devices)
    steps = [*zip(solution.schedule.steps, account.steps, strict=True)]
    document["transfers"] = [
        {
            "value": step.value,
            "source": step.route.source,
            "target": step.route.target,
            "transfer_s": cost.time_s,
        }
        for step, cost in steps
        if not isinstance(step, Run)
    ]
    document["stages"] = [
        {"device": stage.device, "nodes": list(stage.nodes)} for stage in solution.schedule.stages
    ]
    document["schedule"] = str(solution.schedule).splitlines()
    if table.budgets or any(memory.capacity_bytes is not None for memory in table.machine.memories):
        document["uses"] = dict(account.uses)
    document["solve_s"] = solve_s
    return document


def methods_document(table: CostTable, solved: Sequence[Solved]) -> dict[str, object]:
    return {
        "methods": [
            {"method": each.method, "error": str(each.refusal)}
            if each.solution is None
            else solution_document(table, each.solution, each.solve_s) | {"method": each.method}
            for each in solved
        ]
    }


def alternatives_document(found: Alternatives) -> dict[str, object]:
    """Amounts in the objective's unit; null where no plan has the node there."""
    return {
        "objective": str(found.best.objective),
        "total": found.best.certificate.total,
        "nodes": [
            {
                "node": node,
                "device": found.best.assignment[node],
                "alternatives": [_alternative(each) for each in alternatives],
                "unable": [
                    device
                    for device in found.devices
                    if all(device != each.device for each in alternatives)
                ],
            }
            for node, alternatives in found.by_node.items()
        ],
    }


def _alternative(each: Alternative) -> dict[str, object]:
    possible = math.isfinite(each.total)
    return {
        "device": each.device,
        "own": each.own,
        "total": each.total if possible else None,
        "extra": each.extra if possible else None,
        "speedup": each.speedup,
    }


def alternatives_lines(found: Alternatives) -> Iterator[str]:
    for node in found.by_node:
        yield from found.why(node).splitlines()


def solution_lines(table: CostTable, solution: Solution, solve_s: float) -> Iterator[str]:
    account, text = solution.account, solution.objective.text
    pairs = [*zip(solution.schedule.steps, account.steps, strict=True)]
    runs = [cost for step, cost in pairs if isinstance(step, Run)]
    transfers = [cost for step, cost in pairs if not isinstance(step, Run)]
    run_s = math.fsum(cost.time_s - cost.start_s for cost in runs)
    certificate = solution.certificate
    method = "" if solution.method == "optimal" else f"{solution.method}: "
    yield f"{method}{text(certificate.total)}, {_claim(solution)}"
    yield f"  nodes      {units.seconds(run_s)}"
    moved_s = units.seconds(math.fsum(cost.time_s for cost in transfers))
    yield f"  transfers  {moved_s} ({len(transfers)})"
    if account.start_s:
        yield f"  starts     {units.seconds(account.start_s)} ({wording.count(len(runs), 'stage')})"
    if solution.total_j is not None:
        yield f"  energy     {units.scaled(solution.total_j, 'J')}"
    for budget in table.budgets:
        if budget.name != ENERGY:
            used = account.uses[budget.name]
            yield f"  {budget.name:9}  {used:.4g} of {budget.limit:.4g}"
    for name, count in Counter(solution.assignment.devices.values()).items():
        yield f"  {count} {'node' if count == 1 else 'nodes'} on {name}"
    yield f"solved in {units.seconds(solve_s)}; --json names every node"


def _claim(solution: Solution) -> str:
    """What is proved; where a gap is left, the bound, and what proves it."""
    certificate = solution.certificate
    if certificate.exact:
        return certificate.claim
    bound = solution.objective.text(certificate.lower_bound)
    return f"{certificate.claim}: no schedule costs less than {bound} ({certificate.proof})"


def methods_lines(solved: Sequence[Solved]) -> Iterator[str]:
    """A table; the last column is how much more than the best of all each method's answer costs."""
    found = [each.solution.certificate.total for each in solved if each.solution]
    least = min(found, default=0.0)
    width = max(len(each.method) for each in solved)
    yield f"{'method':{width}}  {'total':>10}  {'more':>7}  {'transfers':>9}  {'solved in':>9}"
    for each in solved:
        if each.solution is None:
            yield f"{each.method:{width}}  {_reason(each)}"
            continue
        total = each.solution.certificate.total
        more = f"{total / least - 1:.2%}" if least else "-"
        proven = " (optimal)" if each.solution.certificate.exact else ""
        yield (
            f"{each.method:{width}}  {each.solution.objective.text(total):>10}  {more:>7}  "
            f"{_transfers(each.solution):>9}  {units.seconds(each.solve_s):>9}{proven}"
        )


def _reason(refused: Solved) -> str:
    error = refused.refusal
    return f"{error.where}: {error.problem}" if error else ""


def _transfers(solution: Solution) -> int:
    return sum(1 for _ in solution.schedule.transfers)
