"""A step with a variant for each of several lengths: which runs, and what moves, once."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest

from stagecut.compiler import Plan, compile_model
from stagecut.compiler.context import Settings
from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.device import Estimate, LinkDriver
from stagecut.compiler.ir.errors import FeedError, RangeFault, StageFault, ValueRangeError
from stagecut.compiler.ir.graph import Value
from stagecut.compiler.ir.machine import HOST, Basis
from stagecut.compiler.ir.state import DecodingOptions, State
from stagecut.compiler.report.decoding import DecodingFigures
from stagecut.passes.profile.synthetic import synthetic_costs
from stagecut.runtime import DecoderSession
from stagecut.runtime.decoding.generate import Generator
from stagecut.runtime.decoding.moves import Brought, Moves
from stagecut.runtime.decoding.rows import Rows
from stagecut.runtime.decoding.sequence import Sequence
from stagecut.runtime.variant import Variant
from tests.support.decoders import PROMPT, PlainLoop, tiny_decoder

#: From the second one on, all that can be runs on the device.
SHORT, LONG, COUNT = 10, 20, 30


def _by_length(expanded: ExpandedGraph) -> CostTable:
    """On the CPU behind few tokens, on the other device behind many."""
    held = [value.shape[0] for value in expanded.graph.inputs if value.grows is not None]
    cheap = -1 if held and held[0] >= LONG else 0
    return synthetic_costs(expanded, lambda devices: devices[cheap])


def _plan(device: str) -> Plan:
    options = DecodingOptions(prompt=5, capacity=90, length=SHORT, further=(LONG,))
    devices = ["cpu.serial", device]
    return compile_model(tiny_decoder(), devices=devices, costs=_by_length, decoding=options)


@pytest.fixture(scope="module", params=["manycore.snitch16:precision=fp32", "pim.aim", "null"])
def plan(request: pytest.FixtureRequest) -> Plan:
    return _plan(request.param)


def _said(sequence: Sequence, prompt: tuple[int, ...]) -> Iterator[int]:
    [scores] = sequence.run("prefill", {"input_ids": np.array([prompt])})
    while True:
        token = int(scores[0, -1].argmax())
        yield token
        [scores] = sequence.run("decode", {"input_ids": np.array([[token]])})


def test_each_length_has_a_schedule_and_the_plan_says_from_where_on(
    plan: Plan, tmp_path: Path
) -> None:
    plan.save(tmp_path / "two.plan")
    step = Plan.load(tmp_path / "two.plan").entry_named("decode").planned
    assert step.switches == (LONG,)
    first, second = step.variants
    assert {stage.device for stage in first.schedule.stages} == {"cpu.serial"}
    assert {stage.device for stage in second.schedule.stages} != {"cpu.serial"}


def test_a_length_whose_schedule_is_that_of_the_one_before_is_left_out() -> None:
    options = DecodingOptions(prompt=5, capacity=90, length=SHORT, further=(LONG - 5, LONG))
    plan = compile_model(
        tiny_decoder(),
        devices=["cpu.serial", "null"],
        costs=_by_length,
        decoding=options,
        settings=Settings(warn=lambda _: None),
    )
    step = plan.entry_named("decode")
    assert step.planned.switches == (LONG,)
    for variant, device in zip(step.variants, ["cpu.serial", "null"], strict=True):
        nodes = read_costs(variant.costs).nodes
        assert all(each.run_s[device] == 0 for each in nodes if device in each.run_s)


def test_the_report_says_what_runs_from_where_on(plan: Plan) -> None:
    figures = DecodingFigures.of(plan.document)
    assert figures is not None
    [further] = figures.further
    assert (further.from_length, further.length) == (LONG, LONG)
    assert further.moves == tuple(sorted(further.homes))
    [line] = [line for line in figures.lines() if line.startswith(f"from {LONG} tokens on it runs")]
    assert (f"once {len(further.homes)} states have moved" in line) is bool(further.homes)
    assert figures.document()["further"] == [asdict(further)]


def test_tokens_are_those_of_a_plain_loop_and_variants_take_turns(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = DecoderSession(plan)
    variants = [*session.entries["decode"].variants]
    ran: list[int] = []
    outputs = Variant.outputs

    def noted(self: Variant, *given: object) -> object:
        if self in variants:
            ran.append(variants.index(self))
        return outputs(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Variant, "outputs", noted)
    found = Generator(session)(PROMPT, max_new=COUNT)
    assert [*found.tokens] == PlainLoop(tiny_decoder()).greedy(PROMPT, COUNT)
    behind = LONG - len(PROMPT)
    assert ran == [0] * behind + [1] * (COUNT - 1 - behind)


def test_what_is_held_moves_once_and_again_behind_a_truncation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = _plan("pim.aim")
    homes = plan.entry_named("decode").planned.variants[1].run.homes
    assert {"past_key_values.0.key", "past_key_values.0.value"} & {*homes}
    moved: list[tuple[str, int]] = []
    original = Variant.moved

    def noted(self: Variant, name: str, rows: np.ndarray) -> np.ndarray:
        moved.append((name, len(rows)))
        return original(self, name, rows)

    monkeypatch.setattr(Variant, "moved", noted)
    session = DecoderSession(plan)
    pasts = sorted(name for name in homes if name.startswith("past"))
    with session.sequence() as sequence:
        tokens = _said(sequence, PROMPT)
        said = [next(tokens) for _ in range(COUNT)]
        assert sorted(moved) == [(name, LONG) for name in pasts]
        with sequence.fork() as fork:
            fork.run("decode", {"input_ids": np.array([[1]])})
        assert len(moved) == len(pasts), "the fork lies where this does"
        sequence.truncate(LONG - 2)
        for token in said[LONG - 2 - len(PROMPT) :][:4]:
            sequence.run("decode", {"input_ids": np.array([[token]])})
        assert sorted(moved[len(pasts) :]) == [(name, LONG) for name in pasts]
        sequence.truncate(0)
        assert next(_said(sequence, PROMPT)) == said[0]
    assert said == PlainLoop(tiny_decoder()).greedy(PROMPT, COUNT)


class _Home:
    """A variant whose state `k` lies in `homes`, in halves of whole numbers."""

    def __init__(self, **homes: str) -> None:
        self.homes = homes

    def moved(self, name: str, rows: np.ndarray) -> np.ndarray:
        assert name in self.homes
        return np.round(2 * rows) / 2


class _TooLarge(_Home):
    """As `_Home`, whose numbers end at 4."""

    def moved(self, name: str, rows: np.ndarray) -> np.ndarray:
        if rows.max() > 4:
            raise RangeFault("too large", stage=0, device="pim")
        return super().moved(name, rows)


def _rows(*numbers: float) -> Rows:
    rows = Rows([State("k", "present.k", "float32", (1,), 0)], 8)
    rows.append(_new(*numbers), len(numbers))
    return rows


def _new(*numbers: float) -> dict[str, np.ndarray]:
    return {"present.k": np.array(numbers, np.float32)[:, np.newaxis]}


def _brought(moves: Moves, rows: Rows) -> Brought:
    """What a step that runs reads and leaves behind."""
    before = rows.past()["k"].copy()
    brought = moves.bring(rows)
    np.testing.assert_array_equal(rows.past()["k"], before)
    rows.rewrite(brought.moved, rows.length)
    rows.variant = brought.variant
    return brought


def test_numbers_are_rounded_as_their_home_holds_them_and_come_back_as_they_are() -> None:
    rows = _rows(0.6, 1.2, 7.4)
    moves = Moves((3, 5), [_Home(), _Home(k="pim"), _Home(k="pim", other="pim")])
    _brought(moves, rows)
    assert (rows.variant, rows.past()["k"][:, 0].tolist()) == (1, [0.5, 1.0, 7.5])
    rows.append(_new(0.1, 0.2), 2)
    assert not _brought(moves, rows).moved
    assert rows.variant == 2
    np.testing.assert_array_equal(rows.past()["k"][3:, 0], np.array([0.1, 0.2], np.float32))
    rows.truncate(1)
    _brought(moves, rows)
    assert (rows.variant, rows.past()["k"].tolist()) == (0, [[0.5]])


def test_numbers_that_the_next_home_cannot_hold_stay_where_they_are() -> None:
    rows = _rows(0.6, 7.4)
    moves = Moves((2,), [_Home(), _TooLarge(k="pim")])
    assert _brought(moves, rows) == Brought(0, {}, stays=True)
    rows.truncate(1)
    rows.append(_new(1.2), 1)
    assert not _brought(moves, rows).stays
    assert (rows.variant, rows.past()["k"][:, 0].tolist()) == (1, [0.5, 1.0])


@dataclass
class _Link:
    """A link that hands on `altered` what another one does."""

    link: LinkDriver
    altered: Callable[[np.ndarray], np.ndarray]
    basis: Basis = "modelled"

    @property
    def source(self) -> str:
        return self.link.source

    @property
    def target(self) -> str:
        return self.link.target

    def transfer(self, tensor: np.ndarray) -> np.ndarray:
        return self.altered(self.link.transfer(tensor))

    def estimate(self, value: Value) -> Estimate | None:
        return self.link.estimate(value)


def _raised(error: Exception) -> Callable[[np.ndarray], np.ndarray]:
    def transfer(_: np.ndarray) -> np.ndarray:
        raise error

    return transfer


@pytest.fixture(scope="module")
def pim() -> Plan:
    return _plan("pim.aim")


def _grown(session: DecoderSession) -> tuple[Sequence, int]:
    """As long as where the step's variants change, and the next token."""
    sequence = session.sequence()
    tokens = _said(sequence, PROMPT)
    token = next(tokens)
    while sequence.length < LONG:
        token = next(tokens)
    return sequence, token


def _linked(session: DecoderSession, altered: Callable[[np.ndarray], np.ndarray]) -> None:
    """Let the device's link to the host do this."""
    later = session.entries["decode"].variants[1]
    for route, link in later._drivers.items():
        if route.target == HOST:
            later._drivers[route] = _Link(link, altered)


def _held(sequence: Sequence) -> dict[str, np.ndarray]:
    assert sequence._rows is not None
    return {name: held.copy() for name, held in sequence._rows.past().items()}


def test_a_step_that_is_refused_leaves_the_sequence_as_it_was(pim: Plan) -> None:
    session = DecoderSession(pim)
    sequence, token = _grown(session)
    other, _ = _grown(session)
    before = _held(sequence)
    with pytest.raises(FeedError, match="nonsense"):
        sequence.run("decode", {"input_ids": np.array([[token]]), "nonsense": np.zeros(3)})
    for name, held in _held(sequence).items():
        np.testing.assert_array_equal(held, before[name])
    scores = []
    for each in (sequence, other):
        each.truncate(LONG - 1)
        scores.append(each.run("decode", {"input_ids": np.array([[1]])})[0])
    np.testing.assert_array_equal(scores[0], scores[1])


@pytest.mark.parametrize(
    ("altered", "problem"),
    [
        (_raised(RuntimeError("the link is down")), "the link is down"),
        (lambda tensor: tensor[:1], "has shape 1x"),
        (lambda tensor: tensor.astype(np.float64), "has type float64"),
    ],
)
def test_a_link_that_fails_is_a_fault_of_its_device(
    pim: Plan, altered: Callable[[np.ndarray], np.ndarray], problem: str
) -> None:
    session = DecoderSession(pim)
    sequence, token = _grown(session)
    before = _held(sequence)
    _linked(session, altered)
    with pytest.raises(StageFault, match=problem) as fault:
        sequence.run("decode", {"input_ids": np.array([[token]])})
    assert fault.value.device == "pim.aim"
    for name, held in _held(sequence).items():
        np.testing.assert_array_equal(held, before[name])


def test_a_sequence_that_a_link_cannot_move_goes_on_as_before(pim: Plan) -> None:
    session = DecoderSession(pim)
    sequence, token = _grown(session)
    _linked(session, _raised(ValueRangeError("too large")))
    said = []
    for _ in range(5):
        said.append(token)
        [scores] = sequence.run("decode", {"input_ids": np.array([[token]])})
        token = int(scores[0, -1].argmax())
    expected = PlainLoop(tiny_decoder()).greedy(PROMPT, COUNT)
    assert said == expected[LONG - len(PROMPT) :][:5]
    assert sequence._rows is not None
    assert sequence._rows.variant == 0
