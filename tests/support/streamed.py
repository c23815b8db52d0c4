"""A plan that says how it runs a stream."""

from pathlib import Path
from typing import Any

from stagecut.compiler import Plan
from stagecut.compiler.ir.stream import Hosting
from tests.support.resealed import resealed


def streamed(
    path: Path,
    plan: Plan,
    replicas: tuple[int, ...],
    *,
    batches: tuple[int, ...] = (),
    period_s: float = 0.0,
    hosting: Hosting = "threads",
) -> Plan:
    """`plan`, written to `path`, with a stream in each of its variants; `batches`, where there are
    any, are those of the first one."""
    ones = (1,) * len(replicas)
    stream = {
        "replicas": replicas,
        "batches": ones,
        "period_s": period_s,
        "latency_s": period_s * sum(replicas) * max(batches, default=1),
        "basis": "measured",
        "hosting": hosting,
    }

    def change(document: dict[str, Any]) -> None:
        for variant in document["entries"]["main"]["variants"]:
            variant["stream"] = stream
        first = document["entries"]["main"]["variants"][0]
        first["stream"] = {**stream, "batches": batches or ones}

    return Plan.load(resealed(path, plan.archive, {}, change))
