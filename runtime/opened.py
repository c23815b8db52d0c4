"""What a session opens of a plan: its variants, prepared, and the file that must stay as it is."""

from collections.abc import Sequence

from stagecut.compiler.formats.archive import Archive
from stagecut.compiler.formats.plan_file import Plan, StoredEntry, StoredVariant
from stagecut.compiler.formats.weights import FILE_NAME
from stagecut.compiler.ir.batching import stacked
from stagecut.compiler.ir.device import Listener, Progress
from stagecut.compiler.ir.errors import DeviceError, StageFault
from stagecut.runtime.hosts.cluster import Cluster
from stagecut.runtime.variant import Variant


def watched(plan: Plan) -> Archive | None:
    """What engines read weights from; None where there are none, or none that can change."""
    has_weights = plan.archive.size(FILE_NAME) > 0
    return plan.archive if has_weights and plan.archive.can_change else None


def variants_of(
    plan: Plan,
    entry: StoredEntry,
    *,
    fallback: bool,
    over: Cluster | None,
    progress: Progress,
    listener: Listener,
) -> Sequence[Variant]:
    """Of an entry, in the plan's order; those that stream know the one for their full batches.
    Raises DeviceError where a device is missing, StageFault where an engine refuses a stage: not
    with `fallback`, where they have one."""
    is_open = any(port.dims for port in entry.planned.variants[0].inputs)
    grows = is_open and plan.decoding is not None
    variants = [
        _prepared(
            each,
            fallback=fallback,
            grows=grows,
            over=over,
            progress=progress,
            listener=listener,
        )
        for each in entry.variants
    ]
    by_shapes = {variant.shapes: variant for variant in variants}
    for variant in variants:
        if variant.stream is not None and variant.stream.batch > 1:
            full = by_shapes.get(stacked(variant.shapes, variant.stream.batch))
            if full is not None and not (variant.stream.mixes and full.is_fallback):
                variant.batched = full
    return variants


def _prepared(
    stored: StoredVariant,
    *,
    fallback: bool,
    grows: bool,
    over: Cluster | None,
    progress: Progress,
    listener: Listener,
) -> Variant:
    try:
        return Variant(stored, grows=grows, cluster=over, progress=progress, listener=listener)
    except (DeviceError, StageFault) as missing:
        if stored.planned.fallback is None:
            raise
        if not fallback:
            missing.fix += "; or run the plan's fallback on ONNX Runtime (--fallback)"
            raise
        return Variant(stored, fallback=True, grows=grows, listener=listener)
