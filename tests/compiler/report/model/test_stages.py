"""What stages and transfers take, as predicted, as built and as observed."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.trace import Trace
from stagecut.compiler.report.model.figures import Figure
from stagecut.compiler.report.model.stages import stage_rows, transfer_rows
from tests.support.planned import US
from tests.support.planned_variants import cpu_only, large, mixed, never_run, relayed


def us(figure: Figure | None) -> float | None:
    return None if figure is None else round(figure.time_s / US, 3)


def test_a_stage_is_predicted_with_its_start() -> None:
    rows = stage_rows(cpu_only().planned, None)
    assert [us(row.predicted) for row in rows] == [42, 1667, 5]
    assert [row.share for row in rows] == pytest.approx([42 / 1714, 1667 / 1714, 5 / 1714])


def test_without_a_trace_the_gate_has_observed_each_stage() -> None:
    rows = stage_rows(cpu_only().planned, None)
    assert [us(row.observed) for row in rows] == [42.42, 1683.67, 5.05]
    assert [row.as_built for row in rows] == [None] * 3
    assert [us(row.foretold) for row in rows] == [42, 1667, 5]


def test_a_trace_is_compared_with_what_the_gate_has_observed() -> None:
    sample = cpu_only()
    rows = stage_rows(sample.planned, sample.trace)
    assert [us(row.observed) for row in rows] == [40.74, 1717.01, 4.85]
    assert [us(row.as_built) for row in rows] == [42.42, 1683.67, 5.05]
    assert [row.foretold for row in rows] == [row.as_built for row in rows]


def test_where_nothing_ran_a_trace_is_compared_with_the_prediction() -> None:
    sample = never_run()
    assert all(row.observed is None for row in stage_rows(sample.planned, None))
    rows = stage_rows(sample.planned, sample.trace)
    assert [row.foretold for row in rows] == [row.predicted for row in rows]


def test_what_comes_in_is_transferred_for_the_stage_that_runs_next() -> None:
    rows = stage_rows(mixed().planned, None)
    assert [row.transfers_in for row in rows] == [0, 0, 1, 1, 0]
    assert [row.transferred_in_bytes for row in rows] == [0, 0, 65536, 65536, 0]


def test_utilisation_is_of_the_peak_where_one_is_known() -> None:
    """A device that could do ten times what its nodes do."""
    planned = cpu_only().planned
    devices = planned.machine.devices
    rows = stage_rows(planned, None)
    assert [row.utilisation for row in rows] == [None] * 3
    first = planned.nodes[0]
    flops = replace(first, flops=42_000)
    known = tuple(replace(device, peak_flop_per_s=1e10) for device in devices)
    machine = replace(planned.machine, devices=known)
    faster = replace(planned, machine=machine, nodes=(flops, *planned.nodes[1:]))
    assert first.name in rows[0].nodes
    assert stage_rows(faster, None)[0].utilisation == pytest.approx(42_000 / (42 * US * 1e10))


def test_hops_of_a_relay_are_transfers_of_their_own() -> None:
    """`first` has been taken to `a` before `far` wants it in `b`: one hop is left."""
    rows = transfer_rows(relayed().planned, None)
    assert [(row.value, row.source, row.target, row.before) for row in rows] == [
        ("first", "host", "a", 1),
        ("first", "a", "b", 2),
        ("near", "a", "host", 3),
        ("far", "b", "a", 3),
        ("far", "a", "host", 3),
    ]
    assert [us(row.predicted) for row in rows] == [1, 10, 2, 20, 2]
    assert {row.predicted.basis for row in rows} == {"measured"}


def test_an_output_that_ends_elsewhere_is_transferred_last() -> None:
    sample = large(9)  # ends with `down`, on pim.hbm
    rows = transfer_rows(sample.planned, None)
    assert (rows[-1].value, rows[-1].before) == ("/layer.0/down", None)


def test_a_transfer_has_the_basis_of_its_link_and_what_the_run_took() -> None:
    sample = mixed()
    (row, *_) = transfer_rows(sample.planned, sample.trace)
    assert row.predicted == row.observed
    assert row.predicted.basis == "modelled"
    assert transfer_rows(sample.planned, Trace((), 0.0))[0].observed is None
