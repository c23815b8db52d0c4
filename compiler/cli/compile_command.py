"""`stagecut compile`: a model becomes a plan file."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from stagecut.compiler.cli import decoding, limits
from stagecut.compiler.cli import options as common
from stagecut.compiler.cli.output import certificate_document, console, note, print_json, say
from stagecut.compiler.cli.outputs import check_outputs
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.objective import LATENCY
from stagecut.compiler.ir.units import seconds
from stagecut.compiler.measure.crash_journal import ENGINE_TIMEOUT_S

if TYPE_CHECKING:
    from stagecut.compiler.formats.plan_file import Plan
    from stagecut.compiler.ir.contender import Contender, ContenderId
    from stagecut.compiler.ir.plan import PlannedVariant
    from stagecut.compiler.ir.solution import Certificate
    from stagecut.passes.cluster.cluster import Granularity


def compile_(
    context: typer.Context,
    model: common.ModelArgument,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The plan file to write.")
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Only say what each device can take, what would be measured, and how long that "
            "would take.",
        ),
    ] = False,
    device: common.DeviceOption = None,
    shape: common.ShapeOption = None,
    feed: common.FeedOption = None,
    objective: common.ObjectiveOption = "latency",
    pin: common.PinOption = None,
    forbid: common.ForbidOption = None,
    granularity: common.GranularityOption = "cluster",
    tolerance: limits.ToleranceOption = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="f32|bf16|int8|int4|auto",
            help="Which devices of lower precision to admit, within 0.05 unless --tolerance says "
            "otherwise; all with auto, or with a tolerance alone. f32 is the default.",
        ),
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            metavar="DATA.npz|FOLDER",
            help="Samples by input, which tell what lower precision does: half of them for single "
            "nodes, half for whole plans.",
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            metavar="PACKAGE.MODULE:FUNCTION",
            help="Your own measure of outputs, the larger the better, on --data; --tolerance is "
            "then what it may lose.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DATA.npz|FOLDER",
            help="Samples by input, and labels beside them, for --metric.",
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="FULL",
            help="The model in full precision that MODEL was quantised from: outputs are held "
            "against its own, within 0.05 unless --tolerance says otherwise.",
        ),
    ] = None,
    max_energy: limits.MaxEnergyOption = None,
    max_batch: limits.MaxBatchOption = None,
    max_latency: limits.MaxLatencyOption = None,
    max_memory: limits.MaxMemoryOption = None,
    prompt: decoding.PromptOption = None,
    capacity: decoding.CapacityOption = None,
    length: decoding.LengthOption = None,
    sequences: decoding.SequencesOption = None,
    state: decoding.StateOption = None,
    encoder: decoding.EncoderOption = None,
    hand: decoding.HandOption = None,
    effort: limits.EffortOption = "normal",
    cores: common.CoresOption = None,
    costs: Annotated[
        Path | None,
        typer.Option(help="Use this cost table (see `stagecut profile`) instead of measuring."),
    ] = None,
    machine: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json",
            help="Several hosts, as `stagecut hosts` measured them, on any of which parts may run.",
        ),
    ] = None,
    engine_timeout: limits.EngineTimeoutOption = ENGINE_TIMEOUT_S,
    cache_dir: common.CacheOption = None,
    no_cache: common.NoCacheOption = False,
    dump: Annotated[
        Path | None, typer.Option(help="Write the text form of every step into this folder.")
    ] = None,
    json: common.JsonOption = False,
) -> None:
    """Decide where each part of MODEL runs, prove it, and write a plan file that runs it so.

    Measures every part on every device in as few runs as can be, finds the schedule that costs
    least, compares it end to end with every single device, and ships the best.

      stagecut compile model.onnx -o model.plan --shape input_ids=1x128
      stagecut compile model.onnx -o model.plan --shape input_ids=1x16 --shape input_ids=1x128
      stagecut compile zoo:bert-base -o bert.plan --device cpu.serial --device pim.hbm:channels=64
      stagecut compile model.onnx -o model.plan --objective throughput --cores 0-7
      stagecut compile zoo:gpt2:past=1024 -o gpt2.plan --prompt 128
      stagecut compile zoo:gpt2:past=1024 -o gpt2.plan --objective generate:prompt=512,new=128
      stagecut compile zoo:bert-base --dry-run
    """
    from stagecut.compiler.arguments import Precision, check_metric, lower_precision_of
    from stagecut.compiler.cli.searching import watching
    from stagecut.compiler.formats.costs_json import read_costs
    from stagecut.compiler.formats.machine_json import read_machine
    from stagecut.compiler.pipeline import compile_model

    limits.for_streams(max_latency, "--max-latency", objective)
    limits.for_streams(max_memory, "--max-memory", objective)
    allowed = limits.parse_tolerance(tolerance, of_metric=metric is not None)
    most_s, most_bytes, most_j = limits.parse_limits(max_latency, max_memory, max_energy)
    common.keep_to_cores(cores)
    asked_precision: Precision | None = None
    if precision is not None:
        asked_precision = common.one_of(precision, get_args(Precision), "--precision")
    finest: Granularity = common.one_of(granularity, ("cluster", "op"), "--granularity")
    of_decoder = decoding.decoding_options(
        prompt, capacity, state, decoding.parse_lengths(length), encoder, hand, sequences
    )
    if dry_run and machine is not None:
        raise UsageError(
            "nothing is known of other hosts' devices beyond what the file says",
            where="--machine",
            fix="leave it out, or leave out --dry-run",
        )
    if dry_run:
        from stagecut.compiler.cli import dry_run as dry
        from stagecut.compiler.context import EFFORTS
        from stagecut.compiler.rehearsal import rehearse

        check_metric(metric, data, allowed, objective)
        asked = common.one_of(effort, EFFORTS, "--effort")
        lower = lower_precision_of(allowed, asked_precision)
        rehearsal = rehearse(
            model,
            feeds=common.read_feeds(feed) or None,
            devices=device,
            variants=common.parse_variants(shape),
            granularity=finest,
            restrict=common.read_rules(pin, forbid),
            decoding=of_decoder,
            objective=objective,
            costs=None if costs is None else read_costs(costs),
            lower_precision=lower,
            listener=common.listener(context.obj),
        )
        found = dry.foreseen(
            rehearsal, asked, lower_precision=bool(lower), by_costs=costs is not None
        )
        if json:
            print_json("stagecut.compile-dry-run/1", found.document())
        else:
            say(*found.lines())
        return
    if output is None:
        raise UsageError(
            "there is no file to write the plan to",
            where="--output",
            fix="add -o model.plan, or --dry-run to measure nothing",
        )
    check_outputs(
        {"--output": output},
        (
            *common.model_files(model, output),
            *(() if reference is None else common.model_files(reference, output)),
            *(costs, calibrate, data, machine, encoder, *common.feed_files(feed)),
        ),
    )
    settings = common.make_settings(
        cache_dir=cache_dir,
        no_cache=no_cache,
        dump=dump,
        output=output,
        notes=context.obj,
        effort=effort,
        engine_timeout_s=engine_timeout,
        watch=watching(objective),
    )
    plan = compile_model(
        model,
        feeds=common.read_feeds(feed) or None,
        devices=device,
        shapes=common.parse_variants(shape),
        objective=objective,
        pins=pin or (),
        forbids=forbid or (),
        granularity=finest,
        tolerance=allowed,
        precision=asked_precision,
        calibrate=calibrate,
        metric=metric,
        data=data,
        reference=reference,
        max_energy_j=most_j,
        max_batch=limits.for_streams(max_batch, "--max-batch", objective),
        max_latency_s=most_s,
        max_memory_bytes=most_bytes,
        costs=None if costs is None else read_costs(costs),
        machine=None if machine is None else read_machine(machine),
        decoding=of_decoder,
        settings=settings,
    )
    plan.save(output)
    from stagecut.compiler.report.decoding import DecodingFigures

    for name, kind in plan.entry.left_out.items():
        note(f"left out: output {name}, a {kind}, which a plan cannot hand back")
    if json:
        first, *others = (_document(variant.planned) for variant in plan.variants)
        figures = DecodingFigures.of(plan.document)
        more = {} if figures is None else {"decoding": figures.document()}
        phases = {"phases": dict(plan.phases)}
        sizes = {} if plan.weights is None else {"weights": asdict(plan.weights)}
        document = {"plan": str(output), **first, "variants": others, **more, **sizes, **phases}
        print_json("stagecut.compile/1", document)
    else:
        _show(plan, output)


def _document(planned: "PlannedVariant") -> dict[str, object]:
    stream = planned.stream
    return {
        "shapes": {port.name: list(port.shape) for port in planned.inputs},
        "nodes": len(planned.nodes),
        "stages": len(planned.stages),
        "objective": planned.objective,
        "predicted_s": planned.account.latency_s if stream is None else stream.period_s,
        "observed_s": planned.observed_s,
        "stream": None if stream is None else asdict(stream),
        "predicted_j": planned.account.energy_j,
        "basis": planned.account.basis,
        "shipped": _identity(planned.shipped),
        "certificate": _proof(planned.certificate, planned.objective),
        "contenders": list(map(_contender, planned.contenders)),
        "profile_paths": len(planned.profile_paths),
        "workarounds": list(planned.workarounds),
        "checks": None if planned.checks is None else asdict(planned.checks),
        "circumstances": list(map(asdict, planned.circumstances)),
        "precision": None if planned.precision is None else asdict(planned.precision),
        "accuracy": [
            {
                "output": difference.name,
                "max_abs": _number(difference.max_abs),
                "relative": _number(difference.relative),
                "cosine": difference.cosine,
            }
            for difference in planned.accuracy
        ],
    }


def _identity(contender: "Contender") -> dict[str, object]:
    return {**_id(contender.id), "name": contender.name}


def _id(contender: "ContenderId") -> dict[str, object]:
    counts = {"replicas": contender.replicas, "batch": contender.batch}
    more = {name: count for name, count in counts.items() if count > 1}
    mixed = {"batches": contender.batches} if len({*contender.batches}) > 1 else {}
    return {"kind": contender.kind, "device": contender.device, **more, **mixed}


def _proof(certificate: "Certificate", objective: str) -> dict[str, object]:
    """In the objective's unit, and in seconds where that is the unit."""
    total, bound = certificate.total, certificate.lower_bound
    in_seconds = {"total_s": total, "lower_bound_s": bound} if objective == str(LATENCY) else {}
    return {**certificate_document(certificate), **in_seconds}


def _contender(contender: "Contender") -> dict[str, object]:
    return {
        **_identity(contender),
        "also": list(map(_id, contender.also)),
        "median_s": contender.median_s,
        "low_s": contender.low_s,
        "high_s": contender.high_s,
        "predicted_s": contender.predicted_s,
        "basis": contender.basis,
        "accounting": contender.accounting,
        "runs": contender.runs,
        "stages": contender.stages,
        "chosen": contender.chosen,
    }


def _number(difference: float) -> float | None:
    """None for a difference that is not finite: an output has a NaN or infinity where the reference
    has a number."""
    return difference if math.isfinite(difference) else None


def _show(plan: "Plan", output: Path) -> None:
    from stagecut.compiler.formats.costs_json import read_costs
    from stagecut.compiler.ir.batching import for_batches
    from stagecut.compiler.report import precision_wording
    from stagecut.compiler.report.decoding import DecodingFigures
    from stagecut.compiler.report.model.build import build_report
    from stagecut.compiler.report.terminal.report import print_summary

    batched = for_batches(plan.entry.variants)
    for index, variant in enumerate(plan.variants):
        if index not in batched:  # what they are for says so
            print_summary(build_report(variant.planned, read_costs(variant.costs)), console())
    figures = DecodingFigures.of(plan.document)
    if figures is not None:
        say("", *figures.lines())
    told = precision_wording.weights(plan.weights)
    say("", f"wrote {output}; `stagecut report {output}` says more", *([told] if told else []))
    if plan.phases:
        parts = ", ".join(f"{name} {seconds(time_s)}" for name, time_s in plan.phases.items())
        say(f"compiled in {seconds(math.fsum(plan.phases.values()))}: {parts}")
