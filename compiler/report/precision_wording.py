"""What a report says of lower precision: the error predicted and measured, and what to choose
from."""

from collections.abc import Sequence

from stagecut.compiler.ir.plan import WeightSizes
from stagecut.compiler.ir.precision import ErrorPoint, PlannedPrecision
from stagecut.compiler.ir.units import size
from stagecut.compiler.report.model.figures import Figure
from stagecut.compiler.report.model.rows import ContenderRow
from stagecut.compiler.report.wording import brief, count, percent_of, time

#: So many that are slower, and so many that are too far off, are named.
_NAMED = 3


def precision(planned: PlannedPrecision | None, shipped: str) -> tuple[str, ...]:
    """What lower precision does to the plan that ships: what was predicted beside what was
    measured; and how far the sum of squares was off, of every plan whose error was measured."""
    if planned is None:
        return ()
    own = planned.of(shipped)
    lines = []
    if planned.reference:
        lines.append(
            f"held against {brief(planned.reference)}, from which the model itself is off by "
            f"{percent_of(planned.own)} (rms)"
        )
    if own is not None and own.metric is not None and planned.right is not None:
        lines.append(
            f"{brief(planned.metric)} is {own.metric:.4g} on "
            f"{count(planned.held_out, 'held-out sample')}, {planned.right:.4g} in full precision; "
            f"it may lose {planned.tolerance:.4g}"
        )
    if own is not None and own.measured is not None:
        allowed = "" if planned.metric else f"; {percent_of(planned.tolerance)} allowed"
        lines.append(
            f"error {percent_of(own.measured)} "
            f"(rms on {count(planned.held_out, 'held-out sample')}), "
            f"{percent_of(own.predicted)} predicted{allowed}"
        )
    both = [
        (each.predicted / each.measured, each.name)
        for each in planned.contenders
        if each.measured and each.predicted
    ]
    if both:
        (least, low), (most, high) = min(both), max(both)
        lines.append(
            f"predicted errors are {least:.2f} ({brief(low)}) to {most:.2f} ({brief(high)}) times "
            f"those measured, by {count(planned.runs, 'run')} of the whole model"
        )
    if len(planned.attempts) > 1:
        tried = ", ".join(
            percent_of(each.measured) for each in planned.attempts if each.measured is not None
        )
        lines.append(f"solved {len(planned.attempts)} times under other budgets: {tried}")
    if planned.not_built:
        told = ", ".join(planned.not_built)
        lines.append(f"not built, by the costs and the errors of single nodes: {told}")
    return tuple(lines)


def none_pays(planned: PlannedPrecision | None, contenders: Sequence[ContenderRow]) -> str:
    """Why nothing runs in lower precision, where it may; empty where something does, where nothing
    was compared, and where what would be within the tolerance is no slower: time is not why."""
    if planned is None or _off(planned, contenders) != 0.0:
        return ""
    chosen = next(each for each in contenders if each.chosen)
    known = {each.name: each for each in planned.contenders}
    lower = [each for each in contenders if each.name in known and known[each.name].error]
    if any(each.median_s <= chosen.median_s for each in lower):
        return ""
    slower = [
        f"{brief(each.name)} takes {each.median_s / chosen.median_s:.2f} times as long"
        for each in sorted(lower, key=lambda each: each.median_s)
        if chosen.median_s
    ]
    coarse = [
        f"{brief(each.name)} is {percent_of(each.error)} off"
        for each in planned.contenders
        if not each.kept and each.measured is not None
    ]
    told = "; ".join([*slower[:_NAMED], *coarse[:_NAMED]])
    return f"lower precision does not pay within the tolerance: {told}" if told else ""


def _off(planned: PlannedPrecision, contenders: Sequence[ContenderRow]) -> float | None:
    """How far off what ships is; None where that is not known."""
    chosen = next((each for each in contenders if each.chosen), None)
    own = None if chosen is None else planned.of(chosen.name)
    return None if own is None else own.error


def error_front(planned: PlannedPrecision | None) -> str:
    """What less error costs, by the costs."""
    if planned is None or not planned.front:
        return ""
    told = (
        f"{off(point)} in {time(Figure(point.run_s, point.basis))} ({nodes_on(point)})"
        for point in planned.front
    )
    return f"to choose from, by the costs: {'; '.join(told)}"


def off(point: ErrorPoint) -> str:
    """`5 % off`, and that it was not measured, where it is not exact."""
    known = point.measured is not None or not point.predicted
    return f"{percent_of(point.error)} off{'' if known else ' (predicted)'}"


def nodes_on(point: ErrorPoint) -> str:
    """`60 nodes on cpu.int8.serial, 2 on cpu.serial`."""
    (first, most), *others = point.devices.items()
    more = (f", {number} on {brief(device)}" for device, number in others)
    return f"{count(most, 'node')} on {brief(first)}{''.join(more)}"


def weights(sizes: WeightSizes | None) -> str:
    """How large the weights in the plan file are, where some are in few bits."""
    if sizes is None:
        return ""
    part = sizes.stored_bytes / sizes.full_bytes
    return (
        f"weights take {size(sizes.stored_bytes)} in the file, {part:.0%} of the "
        f"{size(sizes.full_bytes)} in full precision"
    )
