"""What `stagecut sweep` prints: curves by the speed of a part, and choices among devices."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict

from stagecut.compiler.cli.output import console
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.solution import Solution
from stagecut.compiler.ir.units import at_most
from stagecut.compiler.report import wording
from stagecut.passes.sweep.catalogue import Choice, front
from stagecut.passes.sweep.sweep import Breakpoint, Curve
from stagecut.passes.sweep.tornado import Tornado

#: So many nodes that move alike are named in a line.
_NAMED = 3

#: So many characters of a name are left, however narrow the terminal.
_SHORTEST = 16

#: So many characters are the bars of a tornado across.
_ACROSS = 24


def curves_document(curves: Sequence[Curve], weighed: Tornado | None) -> dict[str, object]:
    """Amounts in the objective's unit; a stretch costs `fixed + scaled / speed`."""
    return {
        "objective": str(curves[0].objective),
        "curves": [
            {
                "part": curve.part,
                "low": curve.low,
                "high": curve.high,
                "breakpoints": [*map(breakpoint_document, curve.breakpoints)],
                "stretches": [
                    {
                        "low": stretch.low,
                        "high": stretch.high,
                        "fixed": stretch.fixed,
                        "scaled": stretch.scaled,
                    }
                    for stretch in curve.stretches
                ],
                "break_even": curve.break_even,
                "elasticity": curve.elasticity(1.0) if curve.has(1.0) else None,
                "solves": curve.solves,
                "certificate": {"exact": curve.gap == 0, "gap": curve.gap},
            }
            for curve in curves
        ],
        "tornado": None if weighed is None else asdict(weighed),
    }


def breakpoint_document(point: Breakpoint) -> dict[str, object]:
    return {"at": point.at, "total": point.total, "moved": [*map(asdict, point.moved)]}


def curves_lines(curves: Sequence[Curve], weighed: Tornado | None) -> Iterator[str]:
    for curve in curves:
        yield from _curve_lines(curve)
    if weighed is not None:
        yield from _tornado_lines(weighed, curves[0].objective)


def _tornado_lines(weighed: Tornado, objective: Objective) -> Iterator[str]:
    """Bars to both sides of what the optimum takes as things stand."""
    text = objective.text
    yield f"what each part weighs: {text(weighed.total)} as things stand, and with it"
    width = max(len("half"), *(len(bar.part) for bar in weighed.bars))
    yield f"  {'':{width}}  {'faster':>14}  {'slower':>14}  {'1 % saves':>9}"
    least, most = weighed.ends
    scale = _ACROSS / (most - least) if most > least else 0.0
    room = round(scale * (weighed.total - least))
    for bar in weighed.bars:
        left = "█" * round(scale * (weighed.total - bar.fast_total))
        right = "█" * round(scale * (bar.slow_total - weighed.total))
        ends = (
            f"{f'{speed:g}x':>4} {text(total):>9}"
            for speed, total in ((bar.fast, bar.fast_total), (bar.slow, bar.slow_total))
        )
        saved = f"{bar.elasticity:.2f} %"
        yield f"  {bar.part:{width}}  {'  '.join(ends)}  {saved:>9}  {left:>{room}}|{right}"


def _curve_lines(curve: Curve) -> Iterator[str]:
    text = curve.objective.text
    first, last = curve.stretches[0], curve.stretches[-1]
    yield (
        f"{curve.part}, {curve.low:g} to {curve.high:g} times as fast: "
        f"{wording.count(len(curve.breakpoints), 'change')}, found by "
        f"{proved(curve.solves, curve.gap)}"
    )
    yield f"  {'speed':>9}  {'total':>9}  what changes"
    yield f"  {curve.low:9.4g}  {text(first.total(curve.low)):>9}  {placed(first.solution)}"
    for point in curve.breakpoints:
        yield from changed(f"  {point.at:9.4g}  {text(point.total):>9}  ", point)
    yield f"  {curve.high:9.4g}  {text(last.total(curve.high)):>9}  {placed(last.solution)}"
    yield from (f"  {line}" for line in verdict(curve))


def verdict(curve: Curve) -> Iterator[str]:
    """What the curve says to whoever would buy the part."""
    first, last = curve.stretches[0], curve.stretches[-1]
    if curve.break_even is not None:
        yield f"break-even: worth nothing up to {curve.break_even:.4g} times its speed"
    elif first.scaled:
        yield f"break-even: below {curve.low:g} times its speed; something is gained throughout"
    elif not last.scaled:
        yield f"break-even: above {curve.high:g} times its speed; nothing is gained"
    if curve.has(1.0):
        yield f"as things stand, 1 % more speed saves {curve.elasticity(1.0):.2f} %"


def proved(solves: int, gap: float) -> str:
    """How many partitions an answer rests on, and how sure they are."""
    proof = f"gaps of up to {at_most(gap)}" if gap else "each proved optimal"
    return f"{wording.count(solves, 'partition')}, {proof}"


def placed(solution: Solution) -> str:
    """How many nodes run where."""
    return wording.nodes_by_device(_counts(solution))


def _counts(solution: Solution) -> Mapping[str, int]:
    devices = [*solution.assignment.devices.values()]
    return {name: devices.count(name) for name in dict.fromkeys(devices)}


def changed(head: str, point: Breakpoint) -> Iterator[str]:
    """A line for all nodes that move alike, with as many names as there is room for:

    0.01244  18.8 ms  up, gelu and 4 more: cpu.serial → pim.hbm
                      down: pim.hbm → cpu.serial
    """
    alike: dict[tuple[str, str], list[str]] = {}
    for move in point.moved:
        alike.setdefault((move.before, move.after), []).append(move.node)
    room = console().width - len(head)
    lines = [
        _named(nodes, f"{wording.brief(before)} → {wording.brief(after)}", room)
        for (before, after), nodes in alike.items()
    ]
    for line in lines or ["other transfers, or another order"]:
        yield head + line
        head = " " * len(head)


def _named(nodes: Sequence[str], way: str, room: int) -> str:
    """Several names, where they fit; else the first one, cut to what fits."""
    for shown in range(min(_NAMED, len(nodes)), 0, -1):
        names = [*map(wording.brief, nodes[:shown])]
        if more := len(nodes) - shown:
            rest = f" and {more:,} more"
        else:
            rest = f" and {names.pop()}" if shown > 1 else ""
        line = f"{', '.join(names)}{rest}: {way}"
        if len(line) <= room:
            return line
    least = max(_SHORTEST, room - len(f"{rest}: {way}"))
    return f"{wording.shorten(nodes[0], least)}{rest}: {way}"


def curves_csv(curves: Sequence[Curve]) -> str:
    """A row for each end of each stretch: enough to draw the curve, which is straight in
    1 / speed between."""
    return csv_text(
        ("part", "speed", "total", "fixed", "scaled"),
        (
            (curve.part, speed, stretch.total(speed), stretch.fixed, stretch.scaled)
            for curve in curves
            for stretch in curve.stretches
            for speed in (stretch.low, stretch.high)
        ),
    )


def on_it(choice: Choice) -> int:
    """How many nodes run on the device that is to be chosen."""
    return 0 if choice.solution is None else _counts(choice.solution).get(choice.device, 0)


def choices_document(
    choices: Sequence[Choice], specs: Mapping[str, str], objective: Objective
) -> dict[str, object]:
    return {
        "objective": str(objective),
        "choices": [_choice(choice, specs, choice.device in front(choices)) for choice in choices],
    }


def _choice(choice: Choice, specs: Mapping[str, str], on_front: bool) -> dict[str, object]:
    document: dict[str, object] = {"device": spec(choice, specs) or None}
    if choice.price is not None:
        document |= {"price": choice.price, "front": on_front}
    if choice.solution is None:
        return {**document, "total": None, "lower_bound": choice.bound}
    certificate = choice.solution.certificate
    return {
        **document,
        "total": certificate.total,
        "lower_bound": certificate.lower_bound,
        "exact": certificate.exact,
        "nodes": on_it(choice),
        "assignment": dict(choice.solution.assignment.devices),
    }


def spec(choice: Choice, specs: Mapping[str, str]) -> str:
    """As it would be asked for by itself."""
    return specs[choice.device].partition("=")[2] if choice.device else ""


def choices_lines(
    choices: Sequence[Choice], specs: Mapping[str, str], objective: Objective
) -> Iterator[str]:
    width = max(len("without"), *(len(spec(choice, specs)) for choice in choices))
    first = choices[0]
    without = None if first.device or first.solution is None else first.solution
    gain = "" if without is None else f"{'gain':>7}  "
    price = "" if first.price is None else f"{'price':>8}  "
    yield f"{'device':{width}}  {price}{'total':>9}  {gain}{'nodes on it':>11}"
    for choice in choices:
        name = f"{spec(choice, specs) or 'without':{width}}"
        price = "" if choice.price is None else f"{choice.price:8g}  "
        if choice.solution is None:
            bound = objective.text(choice.bound)
            yield f"{name}  {price}  skipped: takes {bound} at least, and something costs no more"
            continue
        certificate = choice.solution.certificate
        total = objective.text(certificate.total)
        if without is not None and certificate.total:
            gain = f"{without.certificate.total / certificate.total:6.2f}x  "
        nodes = on_it(choice)
        proof = "" if certificate.exact else f"  ({certificate.claim})"
        yield f"{name}  {price}{total:>9}  {gain}{nodes:>11}{proof}{_mark(choice, choices)}"


def _mark(choice: Choice, choices: Sequence[Choice]) -> str:
    if choice.price is None:
        return ""
    return "" if choice.device in front(choices) else "  (something is as good for no more)"


def choices_csv(choices: Sequence[Choice], specs: Mapping[str, str]) -> str:
    on_front = front(choices)
    return csv_text(
        ("device", "price", "front", "total", "lower_bound", "nodes"),
        (
            (
                spec(choice, specs),
                "" if choice.price is None else choice.price,
                "" if choice.price is None else int(choice.device in on_front),
                "" if choice.solution is None else choice.solution.certificate.total,
                choice.bound,
                "" if choice.solution is None else on_it(choice),
            )
            for choice in choices
        ),
    )


def csv_text(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()
