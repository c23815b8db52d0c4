"""What the turns come to: ratios within each round, in words, as JSON and as a picture."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.drawing import bars
from benchmarks.throughput.rival import Rival


def told(model: str, rivals: Sequence[Rival]) -> dict[str, Any]:
    plan, *others = rivals
    best = max(others, key=lambda rival: rival.in_heats)
    session = next(each for each in others if each.name.startswith("ONNX Runtime, 1 session"))
    native = next((each for each in others if each.name == "torch eager"), None)
    ratio, over_session = _ratio(plan.final, best.final), _ratio(plan.heats, session.heats)
    over_torch = None if native is None else _ratio(plan.heats, native.heats)
    missed = 1 / (plan.median * plan.period_s) - 1 if plan.period_s else None
    in_gate = plan.gate_s / plan.period_s - 1 if plan.period_s and plan.gate_s else None
    print(
        f"{model}: plan / best rival of the heats = {ratio:.3f}, / one session = {over_session:.3f}"
        + ("" if over_torch is None else f", / native torch = {over_torch:.2f}")
        + ("" if missed is None else f"; period off its prediction by {missed:+.1%}")
        + ("" if in_gate is None else f", in the compile's own turns by {in_gate:+.1%}")
    )
    for rival in sorted(rivals, key=lambda each: -each.median):
        rates = rival.heats + rival.final
        print(
            f"  {rival.name:58} {rival.median:8.2f}/s   {min(rates):.2f} .. {max(rates):.2f}   "
            f"{len(rival.heats)} heats, {len(rival.final)} turns of the final"
        )
    return {
        "model": model,
        "plan": plan.name,
        "ratio": ratio,
        "best_rival": best.name,
        "over_one_session": over_session,
        "over_native_torch": over_torch,
        "period_missed": missed,
        "period_missed_in_gate": in_gate,
        "heats_per_s": {each.name: each.heats for each in rivals},
        "final_per_s": {each.name: each.final for each in rivals if each.final},
    }


def _ratio(plan: Sequence[float], other: Sequence[float]) -> float:
    pairs = zip(plan, other, strict=False)  # who left early has fewer turns
    return statistics.median(ours / theirs for ours, theirs in pairs)


def summarise(rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        print("no rows")
        return
    ratios = [row["ratio"] for row in rows]
    print(
        f"plan / best rival: geometric mean {statistics.geometric_mean(ratios):.3f}, "
        f"worst {min(ratios):.3f}"
    )
    for key, where in (
        ("period_missed", "here"),
        ("period_missed_in_gate", "in the compile's own turns"),
    ):
        missed = [abs(row[key]) for row in rows if row[key] is not None]
        if missed:
            print(f"median error of the predicted period {where} {statistics.median(missed):.1%}")


def draw(rows: Sequence[dict[str, Any]], output: Path) -> None:
    over = {
        "best rival": "ratio",
        "one session, all threads": "over_one_session",
        "native torch": "over_native_torch",
    }
    series = {name: [row[key] for row in rows] for name, key in over.items()}
    across = "inputs/s of the plan over those of the others (higher is better)"
    bars(output, [row["model"] for row in rows], series, across, "{:.2f}".format)
