"""What each device was given, what it takes, and what the whole model takes on it alone."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.machine import Memory
from stagecut.compiler.report.model.build import build_report
from stagecut.compiler.report.model.devices import device_rows, energy_shares, shares
from stagecut.compiler.report.model.figures import Alone
from stagecut.compiler.report.model.rows import DeviceRow
from tests.support.planned import US, Sample
from tests.support.planned_variants import cpu_only, mixed, one_node, overruled, relayed


def rows_of(sample: Sample) -> tuple[DeviceRow, ...]:
    return device_rows(sample.planned, sample.table)


def test_where_the_predicted_time_goes() -> None:
    parts = [(share.name, share.kind, share.time.basis) for share in shares(mixed().planned)]
    assert parts == [
        ("cpu.serial", "stage", "measured"),
        ("cpu.parallel", "stage", "measured"),
        ("pim.hbm", "stage", "modelled"),
        ("host>pim.hbm", "transfer", "modelled"),
        ("pim.hbm>host", "transfer", "modelled"),
    ]


def test_a_transfer_over_a_measured_link_is_measured() -> None:
    routes = [share for share in shares(relayed().planned) if share.kind == "transfer"]
    assert {share.name: round(share.time.time_s / US, 6) for share in routes} == {
        "host>a": 1,
        "a>b": 10,
        "a>host": 4,
        "b>a": 20,
    }
    assert {share.time.basis for share in routes} == {"measured"}


def test_where_the_energy_goes_adds_up() -> None:
    sample = mixed()
    account = sample.planned.account
    steps = tuple(replace(cost, energy_j=0.1 * at) for at, cost in enumerate(account.steps))
    known = replace(account, steps=steps, energy_j=2.1)
    plan = replace(sample.planned, run=replace(sample.planned.run, account=known))
    energy = energy_shares(plan)
    assert [(part.name, round(part.energy_j, 9)) for part in energy] == [
        ("cpu.serial", 0.6),
        ("cpu.parallel", 0.6),
        ("pim.hbm", 0.3),
        ("transfers", 0.6),
    ]
    assert sum(part.share for part in energy) == pytest.approx(1)
    assert energy_shares(sample.planned) == ()


def test_a_device_counts_the_work_it_was_given() -> None:
    pim = rows_of(mixed())[2]
    assert pim.flops == 2 * 16 * 4 * 2**20
    assert pim.weight_bytes == 2 * 4 * 2**20
    assert pim.run.time_s == pytest.approx(332 * US)


def test_weights_count_as_the_device_holds_them() -> None:
    sample = mixed()
    padded = tuple(replace(node, resident_bytes={"pim.hbm": 10}) for node in sample.table.nodes)
    pim = device_rows(sample.planned, replace(sample.table, nodes=padded))[2]
    assert pim.weight_bytes == 10 * pim.nodes > 0


def test_a_device_says_what_kept_nodes_away() -> None:
    pim = rows_of(mixed())[2]
    assert (pim.nodes, pim.capable, pim.stages) == (3, 7, 1)
    assert [(refusal.reason, refusal.nodes) for refusal in pim.refusals] == [
        ("not among MatMul, Gemm, Add, Mul and Relu", 4),
        ("MatMul needs a weight operand here", 1),
    ]
    assert pim.alone is None


def us(alone: Alone | None) -> tuple[float, str] | None:
    return None if alone is None else (round(alone.total.time_s / US, 3), alone.source)


def test_a_device_alone_takes_what_the_gate_observed_and_nothing_else() -> None:
    serial, parallel, _ = rows_of(mixed())
    assert us(serial.alone) == (round(1.02 * 3039, 3), "observed")
    assert us(parallel.alone) == (round(1.02 * 1721, 3), "observed")
    rival = build_report(mixed().planned, mixed().table).summary.rival
    assert rival is not None
    assert rival.alone == parallel.alone


def test_a_device_that_is_the_plan_takes_what_the_plan_takes() -> None:
    serial, _ = rows_of(one_node())
    assert us(serial.alone) == (round(1.01 * 2.0004, 3), "observed")
    assert us(rows_of(overruled())[1].alone) == (round(1.02 * 1721, 3), "observed")


def test_a_device_that_was_not_compared_is_predicted_alone() -> None:
    sample = cpu_only()
    plan = replace(sample.planned, contenders=sample.planned.contenders[:1])
    serial, parallel = device_rows(plan, sample.table)
    assert us(serial.alone) == (3039, "predicted")
    assert us(parallel.alone) == (1721, "predicted")


def test_transfers_and_room_count_for_a_device_alone() -> None:
    _, da, db = rows_of(relayed())
    assert us(da.alone) == (round(1.02 * (3 * 90 + 5 + 1 + 2), 3), "observed")
    assert us(db.alone) == (round(1.02 * (3 * 90 + 5 + 11 + 22), 3), "observed")
    sample = cpu_only()
    full = replace(sample.table.machine, memories=(Memory("host", capacity_bytes=1),))
    plan = replace(sample.planned, contenders=sample.planned.contenders[:1])
    rows = device_rows(plan, replace(sample.table, machine=full))
    assert [row.alone for row in rows] == [None, None]
