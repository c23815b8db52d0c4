"""What a plan says of its step along the length: of all lengths, and nothing beats the best."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler import Plan, compile_model
from stagecut.compiler.along_length import switches_of
from stagecut.compiler.context import Settings
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.state import DecodingOptions
from stagecut.compiler.report.decoding import DecodingFigures
from stagecut.passes.sweep.lengths import LengthSweep
from tests.support.decoders import tiny_decoder

OPTIONS = DecodingOptions(prompt=8, capacity=200)


def _compiled(*devices: str, warn: Callable[[str], None] = lambda _: None) -> Plan:
    settings = Settings(effort="quick", warn=warn)
    return compile_model(tiny_decoder(), devices=list(devices), decoding=OPTIONS, settings=settings)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return _compiled("cpu.serial", "manycore.snitch16")


def test_from_the_prompt_to_the_capacity_one_schedule_follows_the_other(plan: Plan) -> None:
    along = plan.entry_named("decode").planned.along_length
    assert along is not None
    assert along.lengths == (8, 104, 199)
    assert {*along.misfit} == {"cpu.serial", "manycore.snitch16"}
    assert (along.best[0].low, along.best[-1].high) == (8, 199)
    for one, other in zip(along.best, along.best[1:], strict=False):
        assert other.low - one.high in {0, 1}
    for each in along.best:
        assert all(
            best <= 1.0001 * own for best, own in zip(each.total, each.own_total, strict=True)
        )
        assert sum(each.devices.values()) == sum(along.best[0].devices.values())


def test_the_report_says_it(plan: Plan) -> None:
    figures = DecodingFigures.of(plan.document)
    assert figures is not None
    lines = [*figures.lines()]
    [head] = [
        line for line in lines if line.startswith("by the costs of a step behind 8, 104, 199")
    ]
    assert "off by up to" in head
    assert lines[lines.index(head) + 1].startswith("  from 8 to ")
    document = figures.document()["along_length"]
    assert isinstance(document, dict)
    assert document["lengths"] == (8, 104, 199)
    assert plan.entry_named("prefill").planned.along_length is None


def test_where_nothing_could_be_better_nothing_is_profiled() -> None:
    assert _compiled("cpu.serial").entry_named("decode").planned.along_length is None


def test_a_step_that_has_no_room_at_another_length_leaves_the_plan_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise UnplaceableError("the memory is too small", where="node mul", fix="take a larger one")

    monkeypatch.setattr(LengthSweep, "__call__", full)
    told: list[str] = []
    plan = _compiled("cpu.serial", "manycore.snitch16", warn=told.append)
    assert plan.entry_named("decode").planned.along_length is None
    assert "along the length: the memory is too small" in told


KNOWN = (8, 40, 100, 199)


@given(
    st.lists(st.lists(st.integers(0, 50), min_size=4, max_size=4), min_size=2, max_size=3),
    st.sampled_from([(8, 100, 199), (40, 100, 199), (8, 40, 100)]),
)
def test_a_variant_runs_as_far_ahead_as_it_loses_nothing(
    totals: list[list[int]], lengths: tuple[int, ...]
) -> None:
    """Against all lengths: up to the one that it was made for, it is no worse than the one before
    it, and one token earlier it would be."""
    lengths = lengths[: len(totals)]
    lines = [partial(np.interp, xp=KNOWN, fp=each) for each in totals]
    switches = [*switches_of(lines, lengths, KNOWN)]
    for at, (one, other) in enumerate(pairwise(lines)):
        short, long = lengths[at : at + 2]
        loses = [n for n in range(short, long + 1) if other(n) > one(n) + 1e-9]
        assert switches[at] == min(long, max(short, *loses, 0) + 1)
    assert switches == sorted({*switches})


def test_a_plan_for_several_lengths() -> None:
    """Between the two the report says what the one that runs there takes."""
    options = DecodingOptions(prompt=8, capacity=200, length=20, further=(150,))
    plan = compile_model(
        tiny_decoder(),
        devices=["cpu.serial", "manycore.snitch16"],
        decoding=options,
        settings=Settings(effort="quick", warn=lambda _: None),
    )
    step = plan.entry_named("decode").planned
    assert step.along_length is not None
    assert step.along_length.lengths == (8, 20, 150, 199)
    assert len(step.switches) == len(step.variants) - 1
    assert all(20 < switch <= 150 for switch in step.switches)
