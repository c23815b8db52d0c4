"""Models of devices and links are asked once, and whoever has no answer is told."""

from dataclasses import dataclass

import pytest

from stagecut.backends import null
from stagecut.backends.null.device import NullBackend
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.device import Estimate, LinkDriver
from stagecut.compiler.ir.errors import EngineError, StageFault
from stagecut.compiler.ir.graph import Node, Value
from stagecut.compiler.ir.machine import Route
from stagecut.passes.expand import Expand
from stagecut.passes.profile.estimates import Estimates
from tests.support.graphs import graph

GRAPH = graph("x", "q = MatMul(x, W)\ny = Softmax(q)", "y")
SERIAL = null.create("serial", {"memory": "host", "basis": "measured"})
PIM = null.create("pim", {"operators": "Softmax", "run_s": "0.25", "latency_s": "0.5"})


class Mute(NullBackend):
    def estimate(self, node: Node) -> Estimate | None:
        raise EngineError(f"no idea what {node.name} costs")


@dataclass(frozen=True)
class MuteLink:
    source: str = "host"
    target: str = "pim"
    basis: str = "modelled"

    def estimate(self, value: Value) -> Estimate | None:
        raise EngineError("no idea")


def _expanded(*devices: NullBackend) -> tuple[ExpandedGraph, dict[str, NullBackend]]:
    backends = {each.device.name: each for each in devices}
    return Expand(backends)(GRAPH), backends


def _with(kind: type[NullBackend], *links: LinkDriver, operators: str = "Softmax") -> NullBackend:
    return kind(PIM.device, PIM.memory, links or PIM.links, frozenset({operators}), PIM.run_s)


def test_of_nodes_and_of_transfers() -> None:
    found = Estimates.of(*_expanded(SERIAL, PIM))
    matmul, softmax = (node.name for node in GRAPH.nodes)
    assert found.nodes == {
        (matmul, "serial"): None,
        (softmax, "serial"): None,
        (softmax, "pim"): Estimate(0.25),
    }
    assert found.routes == (Route("host", "pim"), Route("pim", "host"))
    assert {value for _, value in found.transfers} == {"x", "q", "y"}


def test_a_device_without_an_answer_is_at_fault_at_the_node() -> None:
    with pytest.raises(StageFault, match=r"no idea what .* costs") as fault:
        Estimates.of(*_expanded(SERIAL, _with(Mute)))
    assert (fault.value.stage, fault.value.device) == (1, "pim")


def test_so_is_one_whose_link_has_none_at_its_first_node() -> None:
    with pytest.raises(StageFault, match="no idea") as fault:
        Estimates.of(*_expanded(SERIAL, _with(NullBackend, MuteLink())))  # type: ignore[arg-type]
    assert (fault.value.stage, fault.value.device) == (1, "pim")


def test_the_link_of_a_device_that_runs_nothing_is_left_out() -> None:
    idle = _with(NullBackend, MuteLink(), operators="Relu")  # type: ignore[arg-type]
    assert Estimates.of(*_expanded(SERIAL, idle)).routes == ()
