"""Manifest + CostTable + Trace -> Report: what is said, gathered; how it looks comes later."""

import math
from dataclasses import replace

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import PlanError, TraceError
from stagecut.compiler.ir.plan import Contender, Manifest, Port
from stagecut.compiler.ir.trace import Trace
from stagecut.compiler.report.model.account import as_built
from stagecut.compiler.report.model.content import OutputRow, Report
from stagecut.compiler.report.model.devices import device_rows, energy_shares, shares
from stagecut.compiler.report.model.nodes import close_calls, node_rows, operator_rows
from stagecut.compiler.report.model.stages import stage_rows, transfer_rows
from stagecut.compiler.report.model.summary import summarize
from stagecut.compiler.report.model.timeline import observed_spans, predicted_spans

#: So many close decisions are shown; further ones are hardly close.
_CLOSE_CALLS = 8


def build_report(manifest: Manifest, table: CostTable, trace: Trace | None = None) -> Report:
    """All that is to be said about a plan, with what a run of it took: of `trace`, or of the gate.

    A trace is compared with what the gate measured for each stage as built, as far as it did: that
    foretells a run better than what nodes take one by one. The gate's own runs are compared with
    the latter. Raises PlanError or TraceError when `table` or `trace` belong to another plan.
    """
    _check_belongs(manifest, table, trace)
    nodes = node_rows(manifest, table)
    run = trace or _gate_run(manifest)
    foretold = as_built(manifest) if trace else manifest
    return Report(
        summary=summarize(foretold, trace),
        shares=shares(foretold),
        energy=energy_shares(manifest),
        devices=device_rows(manifest, table),
        stages=stage_rows(foretold, trace),
        predicted_spans=predicted_spans(foretold),
        observed_spans=observed_spans(run) if run else (),
        close_calls=close_calls(nodes, _CLOSE_CALLS),
        operators=operator_rows(nodes, manifest.machine.devices),
        nodes=nodes,
        inputs=tuple(
            Port(port.inside, port.dtype, port.shape, dims=port.dims) for port in manifest.inputs
        ),
        outputs=manifest.outputs,
        transfers=transfer_rows(manifest, run),
        contenders=_contenders(manifest),
        profile_paths=manifest.profile_paths,
        accuracy=_accuracy(manifest),
        workarounds=manifest.workarounds,
        fallback_stages=len(manifest.fallback),
        provenance=manifest.provenance,
    )


def _accuracy(manifest: Manifest) -> tuple[OutputRow, ...]:
    """The output that is furthest off first."""
    ranked = sorted(manifest.accuracy, key=lambda error: -error.relative)
    return tuple(
        OutputRow(error.name, error.max_abs, error.relative, error.cosine)
        if math.isfinite(error.relative)
        else OutputRow(error.name, None, None, error.cosine)
        for error in ranked
    )


def _contenders(manifest: Manifest) -> tuple[Contender, ...]:
    """The fastest first; the run of the chosen one is told elsewhere."""
    ranked = sorted(manifest.contenders, key=lambda contender: contender.median_s)
    return tuple(replace(contender, trace=None) for contender in ranked)


def _gate_run(manifest: Manifest) -> Trace | None:
    """The gate's run of the plan; None where it was not run."""
    return next((each.trace for each in manifest.contenders if each.chosen), None)


def _check_belongs(manifest: Manifest, table: CostTable, trace: Trace | None) -> None:
    if [node.name for node in manifest.nodes] != [node.name for node in table.nodes]:
        raise PlanError(
            "the cost table has other nodes than the plan",
            where=f"report of {manifest.name}",
            fix="use the cost table that is stored in the plan file",
        )
    if trace is not None and trace.shapes not in {"", manifest.profiled}:
        raise TraceError(
            f"it ran with {trace.shapes}, and these figures are for {manifest.profiled}",
            where=f"report of {manifest.name}",
            fix="trace a run with these shapes, or report on the variant for those (--shape)",
        )
    if trace is not None and _steps(trace) != [(s.index, s.device) for s in manifest.stages]:
        raise TraceError(
            f"its {len(trace.stage_s())} stages are not the {len(manifest.stages)} of the plan",
            where=f"report of {manifest.name}",
            fix="trace a run of this very plan",
        )


def _steps(trace: Trace) -> list[tuple[int, str]]:
    return [(event.stage, event.track) for event in trace.events if event.kind == "stage"]
