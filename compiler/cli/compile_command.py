"""`stagecut compile`: a model becomes a plan file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stagecut.compiler.cli import options as common

#: What `--precision bf16` allows: bf16 has 8 significant bits, of which deep models lose some.
_BF16_TOLERANCE = 0.05

if TYPE_CHECKING:
    from stagecut.compiler.formats.plan_file import Plan
    from stagecut.compiler.ir.plan import Manifest


def compile_(
    context: typer.Context,
    model: common.ModelArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="The plan file to write.")],
    device: common.DeviceOption = None,
    shape: common.ShapeOption = None,
    feed: common.FeedOption = None,
    objective: common.ObjectiveOption = "latency",
    pin: common.PinOption = None,
    forbid: common.ForbidOption = None,
    granularity: common.GranularityOption = "cluster",
    tolerance: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="PART",
            help="Admit devices of lower precision, and ship no plan whose outputs are off by more "
            "than this part of their largest number on the sample inputs.",
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="f32|bf16", help="bf16 is short for --tolerance 0.05; f32 is the default."
        ),
    ] = None,
    costs: Annotated[
        Path | None,
        typer.Option(help="Use this cost table (see `stagecut profile`) instead of measuring."),
    ] = None,
    cache_dir: common.CacheOption = None,
    no_cache: common.NoCacheOption = False,
    dump: Annotated[
        Path | None, typer.Option(help="Write the text form of every step into this folder.")
    ] = None,
    json: common.JsonOption = False,
) -> None:
    """Decide where each part of MODEL runs, prove it, and write a plan file that runs it so.

    Measures every part on every device in as few runs as can be, finds the assignment with the
    lowest latency, compares it end to end with the best single device, and ships the fastest.

      stagecut compile model.onnx -o model.plan --shape input_ids=1x128
      stagecut compile model.onnx -o model.plan --shape input_ids=1x16 --shape input_ids=1x128
      stagecut compile zoo:bert-base -o bert.plan --device cpu.serial --device pim.hbm:channels=64
    """
    from stagecut.compiler.formats.costs_json import read_costs
    from stagecut.compiler.pipeline import compile_model

    settings = common.make_settings(
        cache_dir=cache_dir, no_cache=no_cache, dump=dump, output=output, notes=context.obj
    )
    plan = compile_model(
        model,
        feeds=common.read_feeds(feed) or None,
        devices=device,
        shapes=common.parse_variants(shape),
        objective=objective,
        pins=pin or (),
        forbids=forbid or (),
        granularity=common.one_of(granularity, ("cluster", "op"), "--granularity"),
        tolerance=_tolerance(tolerance, precision),
        costs=None if costs is None else read_costs(costs),
        settings=settings,
    )
    plan.save(output)
    for variant in plan.variants:
        for workaround in variant.manifest.workarounds:
            typer.echo(f"worked around: {workaround}", err=True)
    if json:
        variants = [_document(each.manifest, output) for each in plan.variants]
        common.print_json({**variants[0], "variants": variants[1:]})
    else:
        _show(plan, output)


def _tolerance(tolerance: float | None, precision: str | None) -> float | None:
    if precision is None or common.one_of(precision, ("f32", "bf16"), "--precision") == "f32":
        return tolerance
    return _BF16_TOLERANCE if tolerance is None else tolerance


def _document(manifest: "Manifest", output: Path) -> dict[str, object]:
    certificate = manifest.certificate
    in_seconds = {
        "total_s": certificate.total,
        "lower_bound_s": certificate.lower_bound,
    }
    return {
        "plan": str(output),
        "shapes": {port.name: list(port.shape) for port in manifest.inputs},
        "nodes": len(manifest.nodes),
        "stages": len(manifest.stages),
        "objective": manifest.objective,
        "predicted_s": manifest.predicted_s,
        "predicted_j": manifest.predicted_j,
        "basis": manifest.basis,
        "method": manifest.method,
        "certificate": {
            "total": certificate.total,
            "lower_bound": certificate.lower_bound,
            "gap": certificate.gap,
            "exact": certificate.exact,
            **(in_seconds if manifest.objective == "latency" else {}),
        },
        "contenders": [
            {
                "name": contender.name,
                "median_s": contender.median_s,
                "basis": contender.basis,
                "accounting": contender.accounting,
                "runs": contender.runs,
                "stages": contender.stages,
                "chosen": contender.chosen,
            }
            for contender in manifest.contenders
        ],
        "profile_paths": len(manifest.profile_paths),
        "workarounds": list(manifest.workarounds),
        "accuracy": [
            {
                "output": error.name,
                "max_abs": error.max_abs,
                "relative": error.relative,
                "cosine": error.cosine,
            }
            for error in manifest.accuracy
        ],
    }


def _show(plan: "Plan", output: Path) -> None:
    from rich.console import Console

    from stagecut.compiler.formats.costs_json import read_costs
    from stagecut.compiler.report.model.build import build_report
    from stagecut.compiler.report.terminal.report import print_summary

    console = Console()
    for variant in plan.variants:
        print_summary(build_report(variant.manifest, read_costs(variant.costs)), console)
    console.print(f"\nwrote {output}; `stagecut report {output}` says more", highlight=False)
