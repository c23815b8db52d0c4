"""A variant whose inputs stream one by one, and one for full batches of them, made one plan; and
what became of them in turns with each other."""

from collections.abc import Sequence
from dataclasses import replace

from stagecut.compiler.ir.contender import Contender, ContenderKind
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.ir.planned_stream import PlannedStream
from stagecut.compiler.ir.stream import as_planned, in_flight
from stagecut.compiler.ir.stream_certificate import LATENCY, Limit, most_latency_s
from stagecut.passes.gate.gate import versus


def with_batches(
    planned: PlannedVariant, batched: PlannedVariant, size: int, limits: Sequence[Limit] = ()
) -> PlannedVariant:
    """The variant that streams its inputs one by one, with up to `size` in a call, in which
    `batched` runs; or as it is, where that does not keep to the limits, or takes other threads.

    What was seen of batches is said by input; each waits until its batch is full.
    """
    together = batched.stream
    if together is None:
        raise AssertionError("it was made to stream")
    batches = (size,) * len(together.replicas)
    period_s = together.period_s / size
    latency_s = together.latency_s + (size - 1) * period_s
    kept = all(limit.allows(latency_s) for limit in limits if limit.name == LATENCY)
    if not kept or not same_threads(planned, batched):
        return planned
    shipped = by_input(batched.shipped, size)
    contenders = (
        *(
            replace(each, chosen=False, trace=None, why=_why_not(each, planned, shipped))
            for each in planned.contenders
        ),
        *(
            replace(by_input(each, size), chosen=each.chosen, why=each.why)
            for each in batched.contenders
        ),
    )
    proof = batched.certificate
    stream = replace(
        together, batches=batches, period_s=period_s, latency_s=latency_s, another=None, front=()
    )
    return replace(
        planned,
        contenders=contenders,
        certificate=replace(
            proof,
            total=proof.total / size,
            lower_bound=proof.lower_bound / size,
            statement=f"of batches of {size}, {proof.claim}",
        ),
        stream=_within(stream, shipped.median_s, limits),
    )


def _within(stream: PlannedStream, seen_s: float, limits: Sequence[Limit]) -> PlannedStream:
    """With as many inputs in flight as keep to a limit on latency, where one was seen to come every
    `seen_s`."""
    most_s = as_planned(most_latency_s(limits), stream.period_s, seen_s)
    known = stream.replicas, stream.batches, stream.period_s, stream.latency_s
    return replace(stream, in_flight=in_flight(*known, most_s))


def _why_not(each: Contender, planned: PlannedVariant, shipped: Contender) -> str:
    """Only what shipped without batches took turns with what ships now."""
    return versus(each, shipped) if each is planned.shipped else f"one by one, {each.why}"


def with_race(
    planned: PlannedVariant,
    alone: Contender,
    together: Contender,
    limits: Sequence[Limit] = (),
) -> PlannedVariant:
    """With the figures of the turns that what ships, `together`, took with what was the best one by
    one."""
    lost = replace(alone, chosen=False, trace=None, why=versus(alone, together))
    seen = {alone.id: lost, together.id: replace(together, chosen=True, why=planned.shipped.why)}
    contenders = tuple(seen.get(each.id) or _of_other_turns(each) for each in planned.contenders)
    stream = planned.stream
    return replace(
        planned,
        contenders=contenders,
        stream=None if stream is None else _within(stream, together.median_s, limits),
    )


def _of_other_turns(contender: Contender) -> Contender:
    """With figures that are not to be held against those of what ships."""
    why = f"{contender.why}, in other turns" if contender.why else "in other turns"
    return replace(contender, chosen=False, trace=None, why=why, other_turns=True)


def with_slower(planned: PlannedVariant, batched: Contender, ratio: float) -> PlannedVariant:
    """The same with what batches did, which was `by_input` no better: `ratio` is its time over that
    of what ships, in turns with it."""
    change = f"{abs(ratio - 1):.1%} {'slower' if ratio >= 1 else 'faster'}"
    why = f"in turns with what ships {change}, which is not clearly faster"
    told = replace(batched, chosen=False, trace=None, why=why, other_turns=True)
    return replace(planned, contenders=(*planned.contenders, told))


def with_mixed(
    made: PlannedVariant,
    before: PlannedVariant,
    best: Contender,
    mixed: Contender,
    limits: Sequence[Limit] = (),
) -> PlannedVariant:
    """What was `made` so that stages differ in how many inputs they take, with the contenders of
    what was the best `before`; `best` and `mixed` have the figures of their turns."""
    lost = replace(best, chosen=False, trace=None, why=versus(best, mixed))
    others = (lost if each.id == best.id else _of_other_turns(each) for each in before.contenders)
    chosen = replace(mixed, chosen=True, why=made.shipped.why)
    tried = () if before.stream is None else before.stream.tried
    stream = made.stream
    if stream is not None:
        stream = _within(replace(stream, tried=tried), mixed.median_s, limits)
    return replace(made, contenders=(*others, chosen), stream=stream)


def with_rivals(planned: PlannedVariant, others: PlannedVariant) -> PlannedVariant:
    """The variant with the whole replicas that only `others` had, too; none of them is chosen."""
    known = {contender.id for contender in planned.contenders}
    more = (
        replace(each, also=(), chosen=False, trace=None)
        for each in others.contenders
        if each.id not in known and each.id.kind is ContenderKind.SINGLE
    )
    return replace(planned, contenders=(*planned.contenders, *more))


def same_threads(planned: PlannedVariant, batched: PlannedVariant) -> bool:
    """Whether the threads that run single inputs are those that run batches: as many replicas of
    as many stages, on the same devices. A stream has one set of threads for both."""
    if planned.stream is None or batched.stream is None:
        return False
    devices = [[stage.device for stage in each.schedule.stages] for each in (planned, batched)]
    return planned.stream.replicas == batched.stream.replicas and devices[0] == devices[1]


def by_input(contender: Contender, size: int) -> Contender:
    """Its times for one of the `size` inputs of each call."""
    batches = (size,) * contender.stages
    return replace(
        contender,
        id=replace(contender.id, batches=batches),
        also=tuple(replace(each, batches=batches) for each in contender.also),
        median_s=contender.median_s / size,
        min_s=contender.min_s / size,
        max_s=contender.max_s / size,
        low_s=contender.low_s / size,
        high_s=contender.high_s / size,
        predicted_s=contender.predicted_s / size,
        cpu_s=None if contender.cpu_s is None else contender.cpu_s / size,
        energy_j=None if contender.energy_j is None else contender.energy_j / size,
        stage_s=(),
        chosen=False,
        why="",
    )
