"""What the entries of a decoder share has to be what they have."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from stagecut.compiler import Plan
from stagecut.compiler.formats.decoding_check import decoding_problems
from stagecut.compiler.formats.plan_check import check_plan
from stagecut.compiler.ir.errors import PlanError
from stagecut.compiler.ir.plan import PlanDocument
from stagecut.compiler.ir.state import Decoding, Handed, State
from tests.support import encoder_decoders
from tests.support.decoders import decoder_plan, tiny_decoder


@pytest.fixture(scope="module")
def plan() -> Plan:
    return decoder_plan(tiny_decoder())


def _first(decoding: Decoding, change: Callable[[State], State]) -> Decoding:
    first, *others = decoding.states
    return replace(decoding, states=(change(first), *others))


def test_a_plan_as_it_is_made(plan: Plan) -> None:
    assert [*decoding_problems(plan.document)] == []
    check_plan(plan.document, plan.archive)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: replace(d, states=d.states * 2), "two states have one past"),
        (lambda d: replace(d, logits="x"), "prefill has no output 'x'"),
        (lambda d: _first(d, lambda s: replace(s, present="x")), "prefill has no output 'x'"),
        (lambda d: _first(d, lambda s: replace(s, past="x")), "decode has no input 'x'"),
        (lambda d: _first(d, lambda s: replace(s, row=(1, 2, 5))), "with other rows"),
        (lambda d: _first(d, lambda s: replace(s, dtype="float16")), "with other rows"),
    ],
    ids=["twice", "logits", "present", "past", "row", "dtype"],
)
def test_what_does_not_fit(
    plan: Plan, change: Callable[[Decoding], Decoding], problem: str
) -> None:
    assert plan.decoding is not None
    document = replace(plan.document, decoding=change(plan.decoding))
    with pytest.raises(PlanError, match=f"decoding: .*{problem}"):
        check_plan(document, plan.archive)


@pytest.mark.parametrize("entry", ["prefill", "decode"])
def test_a_variant_that_nobody_switches_to(plan: Plan, entry: str) -> None:
    one = plan.document.entries[entry]
    told = "no length to switch at" if entry == "prefill" else "1 variants, and 1 switches"
    entries = {**plan.document.entries, entry: replace(one, switches=(9,))}
    with pytest.raises(PlanError, match=told):
        check_plan(replace(plan.document, entries=entries), plan.archive)


@pytest.mark.parametrize("switches", [(0, 9), (9, 9), (12, 9), (9, 90)], ids=str)
def test_switches_out_of_order(plan: Plan, switches: tuple[int, ...]) -> None:
    step = plan.document.entries["decode"]
    three = replace(step, variants=step.variants * 3, switches=switches)
    document = replace(plan.document, entries={**plan.document.entries, "decode": three})
    [problem] = decoding_problems(document)
    assert problem.startswith("decode has switches out of order")


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Of an encoder-decoder."""
    folder = tmp_path_factory.mktemp("model")
    return encoder_decoders.plan(encoder_decoders.write_folder(folder, "two files"))


@pytest.mark.parametrize(
    ("handed", "problem"),
    [
        (Handed("x", "input_ids"), "encode has no output that input 'input_ids' reads"),
        (Handed("decoder.cross_v", "x"), "prefill has no input 'x'"),
        (Handed("decoder.cross_v", "input_ids"), "another output 'decoder.cross_v'"),
    ],
    ids=["source", "target", "type"],
)
def test_what_encode_does_not_hand_on(spoken: Plan, handed: Handed, problem: str) -> None:
    check_plan(spoken.document, spoken.archive)
    assert spoken.decoding is not None
    decoding = replace(spoken.decoding, handed=(*spoken.decoding.handed[1:], handed))
    with pytest.raises(PlanError, match=problem):
        check_plan(replace(spoken.document, decoding=decoding), spoken.archive)
    twice = replace(decoding, handed=spoken.decoding.handed * 2)
    with pytest.raises(PlanError, match="two states have one target"):
        check_plan(replace(spoken.document, decoding=twice), spoken.archive)


def test_no_state(plan: Plan) -> None:
    assert plan.decoding is not None
    entries = {"decode": plan.document.entries["decode"]}
    document = PlanDocument(entries, replace(plan.decoding, states=()))
    with pytest.raises(PlanError, match="decoding: there is no state"):
        check_plan(document, plan.archive)


@pytest.mark.parametrize(
    ("homes", "problem"),
    [
        ({"logits": "pim"}, "'logits' has a home, and is no state"),
        ({"present.0.key": "host"}, "has its home in 'host', which is no device's own memory"),
        ({"present.0.key": "moon"}, "has its home in 'moon', which is no device's own memory"),
    ],
)
def test_homes_that_do_not_fit(plan: Plan, homes: dict[str, str], problem: str) -> None:
    entries = plan.document.entries
    [decode] = entries["decode"].variants
    moved = replace(decode, run=replace(decode.run, homes=homes))
    changed = {**entries, "decode": replace(entries["decode"], variants=(moved,))}
    with pytest.raises(PlanError, match=problem):
        check_plan(replace(plan.document, entries=changed), plan.archive)


def test_entries_that_are_not_there(plan: Plan) -> None:
    entries = plan.document.entries
    alone = replace(plan.document, entries={"prefill": entries["prefill"]})
    with pytest.raises(PlanError, match=r"entries\.decode has no variant"):
        check_plan(alone, plan.archive)
    with pytest.raises(PlanError, match=r"entries\.main has no variant"):
        check_plan(PlanDocument(entries), plan.archive)
    more = replace(plan.document, entries={**entries, "other": entries["decode"]})
    with pytest.raises(PlanError, match="entries has 'other'"):
        check_plan(more, plan.archive)
