"""Two plans compared: what moved, what it did, and when that counts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.ir.precision import ContenderError, PlannedPrecision
from stagecut.compiler.report.model.difference import (
    AmountChange,
    Difference,
    Move,
    PlannedTransfer,
    compare,
)
from tests.support.planned import US, Row, Sample, planned, random_plan, sample_of
from tests.support.planned_variants import (
    BLOCK,
    CPU,
    CPU_AND_PIM,
    INPUTS,
    PROVENANCE,
    RELAYED,
    mixed,
    never_run,
    relayed,
    slower,
    two_ends,
    without_pim,
)
from tests.support.tables import seeded_table


def amount(difference: Difference, what: str) -> AmountChange:
    return next(change for change in difference.amounts if change.what == what)


def test_a_plan_does_not_differ_from_itself() -> None:
    difference = compare(mixed().planned, mixed().planned)
    assert not difference.decided_otherwise
    assert not difference.differs(tolerance=0.0)
    assert (difference.moves, difference.made_from) == ((), {})


def test_errors_are_those_of_what_ships() -> None:
    plan = mixed().planned
    error = ContenderError(plan.shipped.name, 0.02, 0.021, kept=True)
    lower = replace(plan, precision=PlannedPrecision(0.05, 4, 48, 4, (), (error,)))
    found = {each.what: (each.before, each.after) for each in compare(plan, lower).errors}
    worst = plan.checks.worst if plan.checks else None
    assert found == {
        "largest error": (worst, worst),
        "rms error, held out": (None, 0.021),
        "rms error, predicted": (None, 0.02),
    }


def test_what_moved_and_what_it_did() -> None:
    difference = compare(mixed().planned, without_pim().planned)
    assert difference.moves == (
        Move("up", "MatMul", "pim.hbm", "cpu.parallel"),
        Move("relu", "Relu", "pim.hbm", "cpu.parallel"),
        Move("down", "MatMul", "pim.hbm", "cpu.parallel"),
    )
    assert difference.transfers_gone == (
        PlannedTransfer("norm1", "host", "pim.hbm"),
        PlannedTransfer("down", "pim.hbm", "host"),
    )
    assert difference.transfers_new == ()
    assert [stage.device for stage in difference.stages_gone] == [
        "cpu.parallel",
        "pim.hbm",
        "cpu.parallel",
    ]
    assert [len(stage.nodes) for stage in difference.stages_new] == [10]
    assert amount(difference, "stages") == AmountChange("stages", 5, 3, "")
    assert amount(difference, "transferred") == AmountChange("transferred", 2 * 65536, 0, "bytes")
    assert amount(difference, "weights in pim.hbm").after == 0
    assert amount(difference, "weights in host").after == 12 * 2**20
    assert [(c.what, c.source, c.before.basis) for c in difference.times] == [
        ("the whole plan", "observed", "modelled"),
        ("the whole plan", "predicted", "modelled"),
        ("all transfers", "predicted", "modelled"),
        ("cpu.serial", "predicted", "measured"),
        ("cpu.parallel", "predicted", "measured"),
        ("pim.hbm", "predicted", "modelled"),
    ]
    assert difference.times[0].before.time_s == pytest.approx(1.01 * 1101.192 * US)
    assert difference.times[0].after.time_s == pytest.approx(1.01 * 1714 * US)
    assert difference.times[5].before.time_s == pytest.approx(332 * US)
    assert difference.times[5].after.time_s == 0


def test_what_was_observed_counts_only_where_both_plans_were() -> None:
    difference = compare(mixed().planned, never_run().planned)
    assert [change.source for change in difference.times[:2]] == ["predicted", "predicted"]
    assert difference.times[0].before == difference.times[0].after


def test_hops_of_a_relay_are_transfers() -> None:
    sample = relayed()
    near = {row.name: "da" if row.name == "far" else row.device for row in RELAYED}
    difference = compare(sample.planned, sample_of(sample.table, near, PROVENANCE).planned)
    assert difference.transfers_gone == (
        PlannedTransfer("first", "a", "b"),
        PlannedTransfer("far", "b", "a"),
    )
    assert difference.transfers_new == ()


def test_a_transfer_alone_is_a_decision() -> None:
    difference = compare(mixed().planned, two_ends().planned)
    assert difference.transfers_new == (PlannedTransfer("head", "host", "pim.hbm"),)
    assert (difference.moves, difference.stages_gone, difference.stages_new) == ((), (), ())
    assert difference.decided_otherwise


def test_the_order_of_stages_is_a_decision() -> None:
    """Two branches that do not know of each other, on two devices, either first."""
    left = Row("left", "Relu", ("x",), (1, 2), "cpu.serial")
    right = Row("right", "Relu", ("x",), (2, 1), "cpu.parallel")
    first, second = (
        planned("two", rows, CPU, PROVENANCE, inputs={"x": 4}, output="left").planned
        for rows in ((left, right), (right, left))
    )
    difference = compare(first, second)
    assert (difference.moves, difference.stages_gone, difference.stages_new) == ((), (), ())
    assert difference.reordered
    assert difference.decided_otherwise


def test_there_and_back_is_no_change() -> None:
    forth, back = (
        compare(mixed().planned, without_pim().planned),
        compare(without_pim().planned, mixed().planned),
    )
    assert forth.transfers_gone == back.transfers_new
    assert forth.stages_gone == back.stages_new
    assert [(move.before, move.after) for move in forth.moves] == [
        (move.after, move.before) for move in back.moves
    ]


def test_nodes_of_one_plan_alone() -> None:
    fewer = planned(
        "block", BLOCK[:-1], CPU_AND_PIM, PROVENANCE, inputs=INPUTS, output="norm2"
    ).planned
    assert Move("head", "MatMul", "cpu.serial", None) in compare(mixed().planned, fewer).moves
    assert Move("head", "MatMul", None, "cpu.serial") in compare(fewer, mixed().planned).moves


def merged(device: str) -> PlannedVariant:
    """The mixed plan with `relu` and `up` in one node, called `up`, on a device."""
    rows = []
    for row in BLOCK:
        if row.name == "up":
            rows.append(replace(row, device=device))
        elif row.name != "relu":
            rows.append(replace(row, inputs=tuple("up" if v == "relu" else v for v in row.inputs)))
    plan = planned("block", rows, CPU_AND_PIM, PROVENANCE, inputs=INPUTS, output="head").planned
    nodes = tuple(
        replace(node, operators=("MatMul up", "Relu relu")) if node.name == "up" else node
        for node in plan.nodes
    )
    return replace(plan, nodes=nodes)


def test_nodes_that_were_merged_otherwise_are_compared_by_their_operators() -> None:
    """`up` and `relu` in one node, which runs where both have run: nothing is decided anew."""
    apart, together = mixed().planned, merged("pim.hbm")
    assert compare(apart, together).moves == compare(together, apart).moves == ()
    assert not compare(apart, together).decided_otherwise
    rows = [replace(row, device="cpu.serial") if row.name == "relu" else row for row in BLOCK]
    divided = planned("block", rows, CPU_AND_PIM, PROVENANCE, inputs=INPUTS, output="head").planned
    assert compare(together, divided).moves == (
        Move("up", "MatMul", "pim.hbm", "pim.hbm + cpu.serial"),
    )


def test_what_the_plans_were_made_from() -> None:
    other = replace(PROVENANCE, threads=4, options={"objective": "energy"})
    difference = compare(mixed().planned, replace(mixed().planned, provenance=other))
    assert difference.made_from == {
        "processor": ("Example CPU at 3 GHz, 2 threads", "Example CPU at 3 GHz, 4 threads"),
        "option objective": ("latency", "energy"),
    }


TOLERANCES = {
    "as fast, nothing allowed": (1.0, 0.0, False),
    "slower, nothing allowed": (1.2, 0.0, True),
    "within the tolerance": (1.04, 0.05, False),
    "faster by more than the tolerance": (0.8, 0.05, True),
}


@pytest.mark.parametrize(
    ("factor", "tolerance", "differs"), TOLERANCES.values(), ids=TOLERANCES.keys()
)
@pytest.mark.parametrize("sample", [mixed(), never_run()], ids=["observed", "only predicted"])
def test_time_counts_beyond_the_tolerance(
    sample: Sample, factor: float, tolerance: float, differs: bool
) -> None:
    other = slower(sample, factor).planned
    assert compare(sample.planned, other).differs(tolerance) == differs


def test_what_noise_explains_is_no_change() -> None:
    """The intervals reach from 0.97 to 1.04 of the medians, or so."""
    plan, near, far = mixed().planned, slower(mixed(), 1.01).planned, slower(mixed(), 1.5).planned
    assert compare(plan, near).noise
    assert not compare(plan, near).differs(0.0)
    assert not compare(plan, far).noise
    assert compare(plan, far).differs(0.05)
    assert compare(plan, without_pim().planned).decided_otherwise


def test_a_prediction_has_no_noise() -> None:
    plan, near = never_run().planned, slower(never_run(), 1.01).planned
    assert not compare(plan, near).noise
    assert compare(plan, near).differs(0.0)


def test_the_observed_time_is_the_one_that_counts() -> None:
    plan = mixed().planned
    dearer = replace(plan.account, latency_s=2 * plan.account.latency_s)
    predicted = replace(plan, run=replace(plan.run, account=dearer))
    assert not compare(plan, predicted).differs(0.0)


def test_a_node_that_moved_counts_whatever_the_tolerance() -> None:
    assert compare(mixed().planned, without_pim().planned).differs(tolerance=100.0)


@given(st.integers(0, 10**6))
def test_gone_and_new_transfers_and_stages_are_those_of_the_schedules(seed: int) -> None:
    """Of two plans for one random table, in which values are relayed and end in two memories."""
    table = seeded_table(seed)
    plans = [plan for each in (seed, seed + 1) if (plan := random_plan(table, each))]
    if len(plans) < 2:
        return
    before, after = (plan.planned for plan in plans)
    difference = compare(before, after)
    transfers = [set(plan.schedule.transfers) for plan in (before, after)]
    for found, gone in (
        (difference.transfers_gone, transfers[0] - transfers[1]),
        (difference.transfers_new, transfers[1] - transfers[0]),
    ):
        assert {(each.value, each.source, each.target) for each in found} == {
            (step.value, *step.route) for step in gone
        }
    stages = [set(plan.schedule.stages) for plan in (before, after)]
    assert set(difference.stages_gone) == stages[0] - stages[1]
    assert set(difference.stages_new) == stages[1] - stages[0]
    assert difference.decided_otherwise == (before.schedule != after.schedule)
