"""What a plan says of its step along the length: of all lengths, and nothing beats the best."""

from collections.abc import Callable

import numpy as np
import pytest

from stagecut.compiler import Plan, compile_model
from stagecut.compiler.along_length import behind
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


def test_inputs_behind_another_number_of_tokens() -> None:
    past = np.arange(12, dtype=np.float32).reshape(3, 1, 2, 2)
    feeds = {
        "input_ids": np.array([[7]]),
        "attention_mask": np.ones((1, 4), np.int64),
        "position_ids": np.array([[3]]),
        "past": past,
    }
    longer = behind(feeds, ("past",), 5)
    assert longer["past"].shape == (5, 1, 2, 2)
    np.testing.assert_array_equal(longer["past"][3:], past[:2])
    assert longer["attention_mask"].shape == (1, 6)
    assert longer["position_ids"].tolist() == [[5]]
    assert longer["input_ids"] is feeds["input_ids"]


def test_positions_of_a_cache_move_along() -> None:
    past = np.zeros((3, 1, 2, 2), np.float32)
    feeds = {"input_ids": np.array([[7]]), "cache_position": np.array([3]), "past": past}
    longer = behind(feeds, ("past",), 5)
    assert longer["cache_position"].tolist() == [5]
    assert longer["cache_position"].dtype == np.int64
