"""One plan of a variant that streams one by one and of one for full batches."""

from dataclasses import replace

import onnx.parser
import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.context import Settings
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.compiler.report.model.summary import _rival
from stagecut.compiler.with_batches import by_input, with_batches, with_race, with_slower
from tests.support import batched
from tests.support.batched import HEADER, ROWS


@pytest.fixture(scope="module")
def variants() -> tuple[PlannedVariant, PlannedVariant]:
    """One by one, and for batches of two."""
    with pytest.MonkeyPatch.context() as patch:
        batched.let_larger_be_faster(patch)
        plan = compile_model(
            onnx.parser.parse_model(HEADER + ROWS),
            objective="throughput",
            devices=["cpu.serial"],
            shapes={"x": (1, 4)},
            max_batch=2,
            settings=Settings(effort="quick", load=lambda: None, warn=lambda _: None),
        )
    base, together = (each.planned for each in plan.variants)
    alone = [replace(each, chosen=True) for each in base.contenders if each.id.batch == 1]
    return replace(base, contenders=tuple(alone[:1])), together


def test_what_ships_is_said_by_input(variants: tuple[PlannedVariant, PlannedVariant]) -> None:
    alone, together = variants
    made = with_batches(alone, together, 2)
    assert made.shipped.id.batch == 2
    assert made.shipped.median_s == together.shipped.median_s / 2
    assert [each.chosen for each in made.contenders].count(True) == 1
    assert made.contenders[0].why.endswith(("slower", "faster"))
    assert made.certificate.claim.startswith("of batches of 2, ")


def test_a_batch_in_which_inputs_would_wait_too_long(
    variants: tuple[PlannedVariant, PlannedVariant],
) -> None:
    alone, together = variants
    assert together.stream is not None
    short = [Limit("latency", together.stream.latency_s)]
    assert with_batches(alone, together, 2, short) is alone


def test_a_batch_in_other_threads(variants: tuple[PlannedVariant, PlannedVariant]) -> None:
    alone, together = variants
    assert together.stream is not None
    more = replace(together, stream=replace(together.stream, replicas=(7,)))
    assert with_batches(alone, more, 2) is alone


def test_a_batch_that_is_not_faster_is_told(
    variants: tuple[PlannedVariant, PlannedVariant],
) -> None:
    alone, together = variants
    made = with_slower(alone, by_input(together.shipped, 2), 0.99)
    assert made.shipped is alone.shipped
    assert made.contenders[-1].id.batch == 2
    assert made.contenders[-1].why == (
        "in turns with what ships 1.0% faster, which is not clearly faster"
    )


def test_what_was_seen_in_turns_leads(variants: tuple[PlannedVariant, PlannedVariant]) -> None:
    made = with_batches(*variants, 2)
    alone = replace(variants[0].shipped, median_s=2.0)
    raced = with_race(made, alone, replace(made.shipped, median_s=1.0, chosen=False))
    assert raced.shipped.median_s == 1.0
    assert raced.shipped.why == made.shipped.why
    assert raced.contenders[0].median_s == 2.0
    assert raced.contenders[0].why == "100.0% slower"
    assert not raced.contenders[0].chosen
    assert not raced.contenders[0].other_turns


def test_who_took_other_turns_is_not_held_against_what_ships(
    variants: tuple[PlannedVariant, PlannedVariant],
) -> None:
    """Its figures are of another moment, so that it may seem to be faster than what was."""
    base, together = variants
    absent = replace(
        base.shipped, id=replace(base.shipped.id, device="b"), chosen=False, why="3% slower"
    )
    made = with_batches(replace(base, contenders=(base.shipped, absent)), together, 2)
    raced = with_race(made, replace(base.shipped, median_s=2.0), made.shipped)
    [found] = [each for each in raced.contenders if each.id.device == "b"]
    assert found.other_turns
    assert found.why == "one by one, 3% slower, in other turns"
    rival = _rival(raced)
    assert rival is not None
    assert rival.name == base.shipped.name
    assert with_slower(base, by_input(together.shipped, 2), 1.1).contenders[-1].other_turns


def test_fewer_are_in_flight_where_batches_were_seen_to_take_longer(
    variants: tuple[PlannedVariant, PlannedVariant],
) -> None:
    """So that an input takes no longer than it may at the rate that was seen."""
    made = with_batches(*variants, 2)
    assert made.stream is not None
    most_s = 8 * made.stream.period_s
    limits = [Limit("latency", most_s)]
    base, seen = variants[0].shipped, made.shipped
    found = {
        times: with_race(
            made, base, replace(seen, median_s=times * made.stream.period_s), limits
        ).stream
        for times in (1, 2)
    }
    for times, stream in found.items():
        assert stream is not None
        assert stream.in_flight * times * stream.period_s <= most_s * (1 + 1e-6)
    assert found[1] != found[2]
