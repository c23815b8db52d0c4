"""Costs that were measured before, beside models that are asked anew."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from stagecut import backends
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostTable, Spread
from stagecut.compiler.ir.device import Backend
from stagecut.passes.expand import Expand
from stagecut.passes.profile.profile import Fault
from stagecut.passes.profile.reuse import measured_question, with_modelled
from stagecut.passes.profile.synthetic import synthetic_costs
from tests.support.onnx_models import MODELS

GRAPH = graph_of(load_program(MODELS["residual"].proto()))


def _expanded(*specs: str) -> tuple[ExpandedGraph, dict[str, Backend]]:
    engines: dict[str, Backend] = {**backends.create_all(specs)}
    return Expand(engines)(GRAPH), engines


def _kept() -> CostTable:
    """As it was measured: 3 us on cpu.serial, with a spread; stages start in 1 us."""
    table = synthetic_costs(_expanded("cpu.serial", "null:memory=pim")[0], lambda names: names[0])
    nodes = tuple(
        replace(
            node,
            run_s={**node.run_s, "cpu.serial": 3e-6},
            run_spread={"cpu.serial": Spread(5, 2e-6, 2e-6, 4e-6)},
        )
        for node in table.nodes
    )
    devices = tuple(replace(device, stage_s=1e-6) for device in table.machine.devices)
    return replace(table, nodes=nodes, machine=replace(table.machine, devices=devices))


def test_real_devices_keep_their_figures_and_models_say_theirs() -> None:
    expanded, engines = _expanded("cpu.serial", "null:memory=pim,run_s=7e-3,latency_s=2e-3")
    table = with_modelled(_kept(), (), expanded, engines)
    assert table is not None
    assert {node.run_s["cpu.serial"] for node in table.nodes} == {3e-6}
    assert {node.run_spread["cpu.serial"].runs for node in table.nodes} == {5}
    assert {node.run_s["null"] for node in table.nodes} == {7e-3}
    times_s = [time_s for value in table.values for time_s in value.transfer_s.values()]
    assert times_s == pytest.approx([2e-3] * len(times_s), rel=1e-4)
    assert table.machine.device("cpu.serial").stage_s == 1e-6
    assert table.machine.device("null").stage_s == 0


def test_a_candidate_that_failed_stays_away() -> None:
    expanded, engines = _expanded("cpu.serial", "null:memory=pim")
    name = expanded.graph.nodes[0].name
    table = with_modelled(_kept(), [Fault(name, "null", "it failed")], expanded, engines)
    assert table is not None
    assert [*table.node_named[name].run_s] == ["cpu.serial"]


NOTHING: dict[str, tuple[Sequence[str], Sequence[Fault]]] = {
    "a device that was not measured": (("cpu.serial", "cpu.parallel"), ()),
    "a node that is left without a device": (
        ("cpu.serial",),
        (Fault(GRAPH.nodes[0].name, "cpu.serial", "it failed"),),
    ),
}


@pytest.mark.parametrize(("specs", "faults"), NOTHING.values(), ids=NOTHING.keys())
def test_what_is_not_known_is_measured(specs: Sequence[str], faults: Sequence[Fault]) -> None:
    expanded, engines = _expanded(*specs)
    assert with_modelled(_kept(), faults, expanded, engines) is None


def test_the_question_is_the_same_whatever_is_modelled() -> None:
    asked = {
        measured_question(_expanded("cpu.serial", modelled)[0])
        for modelled in ("null:memory=pim", "null:memory=pim,run_s=1", "pim.hbm", "a=pim.hbm")
    }
    assert len(asked) == 1
    other = measured_question(_expanded("cpu.serial", "cpu.parallel", "pim.hbm")[0])
    assert other not in asked
