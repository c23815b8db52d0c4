"""The entries of a decoder's plan side by side: what a token takes, then what comes before it."""

from collections.abc import Iterator, Mapping

from stagecut.compiler.ir.plan import PlanDocument, PlannedVariant
from stagecut.compiler.ir.state import DECODE, ENCODE, PREFILL, Decoding
from stagecut.compiler.report.model.figures import Figure
from stagecut.compiler.report.model.rows import EntryRow

#: The order in which they are told: what is paid for each token first.
_ORDER = (DECODE, PREFILL, ENCODE)


def entries_in_order(names: Mapping[str, object]) -> tuple[str, ...]:
    """The names of a decoder's entries, what a token takes first."""
    return tuple(name for name in _ORDER if name in names)


def entry_rows(document: PlanDocument) -> tuple[EntryRow, ...]:
    """A row for each variant of each entry of a decoder; none of another plan."""
    decoding = document.decoding
    if decoding is None:
        return ()
    return tuple(
        _row(name, variant, _sizes(name, variant, decoding))
        for name in entries_in_order(document.entries)
        for variant in document.entries[name].variants
    )


def _row(entry: str, variant: PlannedVariant, sizes: str) -> EntryRow:
    account, observed_s = variant.account, variant.observed_s
    placed = [*variant.schedule.device_of.values()]
    return EntryRow(
        entry=entry,
        sizes=sizes,
        predicted=Figure(account.latency_s, account.basis),
        observed=None if observed_s is None else Figure(observed_s, variant.shipped.basis),
        devices={name: placed.count(name) for name in dict.fromkeys(placed)},
        stages=len(variant.stages),
        gap=variant.certificate.gap,
    )


def _sizes(entry: str, variant: PlannedVariant, decoding: Decoding) -> str:
    """What it was measured with: `1 token behind 576`, `128 tokens`."""
    shapes = {port.name: port.shape for port in variant.inputs}
    if entry == ENCODE or decoding.tokens not in shapes:
        return variant.profiled
    return " ".join(_words(entry, shapes, decoding))


def _words(entry: str, shapes: Mapping[str, tuple[int, ...]], decoding: Decoding) -> Iterator[str]:
    rows, tokens = shapes[decoding.tokens]
    yield f"{tokens} token{'s' if tokens > 1 else ''}"
    if entry == DECODE and decoding.states:
        yield f"behind {shapes[decoding.states[0].past][0]}"
    if rows > 1:
        yield f"of {rows} sequences"
