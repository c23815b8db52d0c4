"""What `stagecut partition` prints: solutions, methods side by side, and reasons."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from stagecut.compiler.ir import units
from stagecut.compiler.ir.alternatives import Alternative, Alternatives
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.solution import Solution
from stagecut.passes.partition.baselines.methods import Solved


def solution_document(table: CostTable, solution: Solution, solve_s: float) -> dict[str, object]:
    """For JSON; the energy and the stages only where they are known and cost something."""
    certificate = solution.certificate
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
        "width": certificate.width,
        "proof": certificate.proof,
    }
    document["assignment"] = dict(solution.assignment.devices)
    document["copies"] = [
        {"value": copy.value, "source": copy.source, "target": copy.target, "move_s": copy.move_s}
        for copy in solution.copies
    ]
    if any(device.stage_s for device in table.machine.devices):
        document["stages"] = [
            {"device": device, "nodes": nodes} for device, nodes in _stages(solution)
        ]
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
        yield found.why(node)


def solution_lines(solution: Solution, solve_s: float) -> Iterator[str]:
    breakdown, text = solution.breakdown, solution.objective.text
    yield f"{solution.method}: {text(solution.certificate.total)}, {_proof(solution)}"
    yield f"  nodes   {units.seconds(breakdown.run_s)}"
    yield f"  copies  {units.seconds(breakdown.move_s)} ({len(solution.copies)})"
    if breakdown.stage_s:
        starts = sum(1 for _ in _stages(solution))
        yield f"  stages  {units.seconds(breakdown.stage_s)} ({starts}, in the table's order)"
    if solution.total_j is not None:
        yield f"  energy  {units.scaled(solution.total_j, 'J')}"
    for name, count in Counter(solution.assignment.devices.values()).items():
        yield f"  {count} nodes on {name}"
    yield f"solved in {units.seconds(solve_s)}; --json names every node"


def methods_lines(solved: Sequence[Solved]) -> Iterator[str]:
    """A table; the last column is how much more than the best of all each method's answer costs."""
    found = [each.solution.certificate.total for each in solved if each.solution]
    least = min(found, default=0.0)
    width = max(len(each.method) for each in solved)
    yield f"{'method':{width}}  {'total':>10}  {'more':>7}  {'copies':>6}  {'solved in':>9}"
    for each in solved:
        if each.solution is None:
            yield f"{each.method:{width}}  {_reason(each)}"
            continue
        total = each.solution.certificate.total
        more = f"{total / least - 1:.2%}" if least else "-"
        proven = " (proven optimal)" if each.solution.certificate.exact else ""
        yield (
            f"{each.method:{width}}  {each.solution.objective.text(total):>10}  {more:>7}  "
            f"{len(each.solution.copies):>6}  {units.seconds(each.solve_s):>9}{proven}"
        )


def _reason(refused: Solved) -> str:
    error = refused.refusal
    return f"{error.where}: {error.problem}" if error else ""


def _proof(solution: Solution) -> str:
    certificate = solution.certificate
    if certificate.exact:
        return "optimal"
    bound = solution.objective.text(certificate.lower_bound)
    return (
        f"at most {certificate.gap:.2%} of it might be saved: "
        f"no assignment costs less than {bound} ({certificate.proof})"
    )


def _stages(solution: Solution) -> Iterator[tuple[str, list[str]]]:
    placed = solution.assignment.devices.items()
    for device, run in groupby(placed, key=lambda item: item[1]):
        yield device, [node for node, _ in run]
