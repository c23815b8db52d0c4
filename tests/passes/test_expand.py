"""Every device is asked about every node; refusals keep their reasons."""

from dataclasses import replace

import pytest

from stagecut.backends import null
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.machine import Resource
from stagecut.passes.expand import Expand
from tests.support.graphs import graph

GRAPH = graph("x", "q = MatMul(x, W)\ny = Softmax(q)", "y")
CPU = null.create("cpu", {"memory": "host"})
WIDE = {"one": 1, "all": 8, "two": 2}
PIM = null.create("pim", {"operators": "MatMul"})


def test_candidates_are_in_the_order_of_the_devices_and_refusals_say_why() -> None:
    expanded = Expand({"pim": PIM, "cpu": CPU})(GRAPH)
    assert expanded.candidates == {"q": ("pim", "cpu"), "y": ("cpu",)}
    assert expanded.refusals == {
        "q": {},
        "y": {"pim": "Softmax is not among the operators it was given"},
    }


def test_the_machine_has_the_host_and_each_memory_once() -> None:
    machine = Expand({"pim": PIM, "cpu": CPU})(GRAPH).machine
    assert [memory.name for memory in machine.memories] == ["host", "pim"]
    assert [device.name for device in machine.devices] == ["pim", "cpu"]


def test_links_say_how_their_cost_is_found() -> None:
    machine = Expand({"cpu": CPU, "pim": PIM})(GRAPH).machine
    assert [(str(link.route), link.basis) for link in machine.links] == [
        ("host>pim", "modelled"),
        ("pim>host", "modelled"),
    ]
    assert all(link.bytes_per_s is None for link in machine.links)  # each value is asked about


def test_the_machine_has_a_resource_for_whatever_can_be_busy() -> None:
    """Two engines on the same cores, of which the wider one says how many there are."""
    cores = (replace(CPU.device, name=name, resource="cores", cores=n) for name, n in WIDE.items())
    engines = {device.name: replace(CPU, device=device) for device in cores}
    machine = Expand({**engines, "pim": PIM, "cpu": CPU})(GRAPH).machine
    assert machine.resources == (Resource("cores", 8), Resource("pim"), Resource("cpu"))


def test_a_node_that_no_device_can_run_is_an_error_with_every_reason() -> None:
    with pytest.raises(UnplaceableError) as caught:
        Expand({"pim": PIM})(GRAPH)
    assert caught.value.where == "node y (Softmax)"
    assert "pim: Softmax is not among" in caught.value.problem
    assert "cpu.serial" in caught.value.fix
