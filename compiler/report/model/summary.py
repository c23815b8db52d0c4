"""The answer at a glance: how fast, how sure, and how much better than one device alone."""

import math
from collections.abc import Sequence
from statistics import median

from stagecut.compiler.ir.plan import OPTIMUM, Contender, Manifest
from stagecut.compiler.ir.trace import Trace
from stagecut.compiler.report.model.content import (
    Figure,
    Observation,
    Overruled,
    Proof,
    Rival,
    StageRow,
    Summary,
)
from stagecut.compiler.report.model.stages import stage_rows


def summarize(manifest: Manifest, trace: Trace | None) -> Summary:
    """The plan in a few figures."""
    certificate = manifest.certificate
    return Summary(
        model=manifest.name,
        objective=manifest.objective,
        method=manifest.method,
        predicted=Figure(manifest.predicted_s, manifest.basis),
        observed=_observed(manifest, trace),
        off_by=_off_by(stage_rows(manifest, trace)),
        rival=_rival(manifest),
        proof=Proof(
            method=certificate.method,
            total=certificate.total,
            lower_bound=certificate.lower_bound,
            gap=certificate.gap,
            exact=certificate.exact,
            width=certificate.width,
        ),
        overruled=overruled(manifest),
        nodes=len(manifest.nodes),
        stages=len(manifest.stages),
        copies=len(manifest.copies),
        copied_bytes=sum(copy.size_bytes for copy in manifest.copies),
        energy_j=manifest.predicted_j,
        load_s=math.fsum(stage.load_s for stage in manifest.stages),
        profile_paths=len(manifest.profile_paths),
        profile_runs=sum(path.runs for path in manifest.profile_paths),
    )


def _observed(manifest: Manifest, trace: Trace | None) -> Observation | None:
    if trace is not None:
        total_s = trace.latency_s
        return Observation(Figure(total_s, trace.basis), "trace", total_s, total_s, runs=1)
    chosen = _chosen(manifest)
    if chosen is None or chosen.accounting != "measured":
        return None
    total = Figure(chosen.median_s, chosen.basis)
    return Observation(total, "gate", chosen.min_s, chosen.max_s, chosen.runs)


def _off_by(stages: Sequence[StageRow]) -> float | None:
    errors = [
        abs(stage.observed.time_s / stage.predicted.time_s - 1)
        for stage in stages
        if stage.observed and stage.observed.basis == "measured" and stage.predicted.time_s
    ]
    return median(errors) if errors else None


def overruled(manifest: Manifest) -> Overruled | None:
    """The optimum, where the gate shipped another plan."""
    for contender in manifest.contenders:
        if contender.name == OPTIMUM and not contender.chosen:
            return Overruled(
                predicted=Figure(manifest.certificate.total, contender.basis),
                observed=Figure(contender.median_s, contender.basis),
            )
    return None


def _chosen(manifest: Manifest) -> Contender | None:
    return next((contender for contender in manifest.contenders if contender.chosen), None)


def _rival(manifest: Manifest) -> Rival | None:
    """The best of the contenders that are named after the one device they run on."""
    devices = {device.name for device in manifest.machine.devices}
    single = [contender for contender in manifest.contenders if contender.name in devices]
    chosen = _chosen(manifest)
    if chosen is None or not single or chosen.median_s <= 0:
        return None
    best = min(single, key=lambda contender: contender.median_s)
    return Rival(best.name, Figure(best.median_s, best.basis), best.median_s / chosen.median_s)
