"""States lie where they are read: in the costs, in the schedule, and in what a memory holds."""

from dataclasses import replace

import numpy as np
import pytest

from stagecut.compiler.ir.costs import CostTable, Endpoint
from stagecut.compiler.ir.device import Estimate, Tensor
from stagecut.compiler.ir.errors import AssignmentError
from stagecut.compiler.ir.graph import Graph, Node, Operator, Value
from stagecut.compiler.ir.machine import Basis
from stagecut.compiler.ir.objective import LATENCY
from stagecut.compiler.ir.residents import NO_RESIDENTS, Residents
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.ir.solution import Assignment
from stagecut.compiler.ir.state import State
from stagecut.passes.partition.baselines.bound import carried_out
from stagecut.passes.partition.partition import Partition
from tests.support.tables import US, cost_table

KEPT = State("past", "present", "float32", (1, 2, 4), 2)

#: `new` writes the row, `attend` joins it to what there is.
TABLE = cost_table(
    "new(x): cpu 1, pim 1\n attend(new, past, present): cpu 9, pim 1\n head(attend): cpu 1, pim 9",
    inputs="x@host, past@host",
    outputs="head@host",
    transfer_us=2,
)


def _with_present(table: CostTable) -> CostTable:
    """`new` writes `present`, too, which has to end in the host's memory."""
    nodes = tuple(
        replace(node, outputs=(*node.outputs, "present")) if node.name == "new" else node
        for node in table.nodes
    )
    return replace(table, nodes=nodes, outputs=(*table.outputs, Endpoint("present", "host")))


STEP = _with_present(TABLE)


class Halving:
    """A link into a memory of 16-bit numbers."""

    source, target = "host", "pim"
    basis: Basis = "modelled"

    def transfer(self, tensor: Tensor) -> Tensor:
        return tensor.astype(np.float16)

    def estimate(self, value: Value) -> Estimate | None:
        raise AssertionError("nobody asks what it takes")


RESIDENTS = Residents((KEPT,), capacity=100)


def _priced(table: CostTable = STEP) -> CostTable:
    return RESIDENTS.priced(table, [Halving()])


def test_only_the_new_row_is_transferred_to_where_the_state_lies() -> None:
    """As an input, `past` costs a transfer, and `present` one back: then nothing gains by pim."""
    before, behind = Partition()(STEP), Partition()(_priced())
    assert before.assignment.devices["attend"] == "cpu"
    assert behind.assignment.devices["attend"] == "pim"
    assert [step.value for step in behind.schedule.transfers] == ["x", "attend"]
    assert (before.total_s, behind.total_s) == pytest.approx((11 * US, 7 * US))


def test_a_whole_sequence_counts_as_what_its_reader_holds() -> None:
    [node] = [node for node in _priced().nodes if node.name == "attend"]
    assert node.bytes_on("pim") == 100 * 8 * 2
    assert node.bytes_on("cpu") == 0


def test_a_row_is_sent_once_to_see_what_it_takes() -> None:
    """Whatever the number of states that have such rows, and not where none of them may lie."""

    class Counts(Halving):
        sent = 0

        def transfer(self, tensor: Tensor) -> Tensor:
            self.sent += 1
            return super().transfer(tensor)

    other = replace(KEPT, past="past2", present="present2")
    table = cost_table(
        "attend(past, present, past2, present2): cpu 9, pim 1",
        inputs="past@host, past2@host",
        outputs="attend@host",
    )
    link, back = Counts(), Counts()
    back.source, back.target = "host", "host"
    found = Residents((KEPT, other), capacity=100).priced(table, [link, back])
    assert found.node_named["attend"].bytes_on("pim") == 2 * 100 * 8 * 2
    assert (link.sent, back.sent) == (1, 0)


def test_a_memory_without_room_for_it_is_not_where_it_lies() -> None:
    table = _priced()
    small = tuple(
        replace(memory, capacity_bytes=100 * 8 * 2 - 1) if memory.name == "pim" else memory
        for memory in table.machine.memories
    )
    limited = replace(table, machine=replace(table.machine, memories=small))
    assert Partition()(limited).assignment.devices["attend"] == "cpu"
    there = Assignment({"new": "cpu", "attend": "pim", "head": "cpu"})
    with pytest.raises(AssignmentError, match="memory pim"):
        carried_out(limited, there, LATENCY)


def test_a_state_in_the_hosts_memory_is_an_input_as_any_other() -> None:
    only_cpu = tuple(replace(node, run_s={"cpu": node.run_s["cpu"]}) for node in STEP.nodes)
    table = replace(STEP, nodes=only_cpu)
    assert _priced(table) == table


def test_what_has_been_said_is_not_counted_twice() -> None:
    assert _priced(_priced()) == _priced()


@pytest.mark.parametrize("reader", ["head", "new"])
def test_a_state_with_several_readers_goes_through_the_host(reader: str) -> None:
    """Whoever reads it beside the one that joins would have to have it, too."""
    nodes = tuple(
        replace(node, inputs=(*node.inputs, "past")) if node.name == reader else node
        for node in STEP.nodes
    )
    table = replace(STEP, nodes=nodes)
    assert _priced(table) == table


def test_rows_of_a_prompt_end_where_the_steps_read_them() -> None:
    table = Residents(ends={"present": "pim"}).priced(STEP, [])
    assert Endpoint("present", "pim") in table.outputs
    placed = Assignment(dict.fromkeys(("new", "attend", "head"), "cpu"))
    schedule, _ = carried_out(table, placed, LATENCY)
    assert [str(step.route) for step in schedule.transfers] == ["host>pim"]
    assert NO_RESIDENTS.priced(STEP, []) == STEP


def _graph() -> Graph:
    def value(name: str) -> Value:
        return Value(name, "float32", (1,))

    def node(name: str, reads: str, writes: str) -> Node:
        inputs, outputs = (tuple(map(value, names.split())) for names in (reads, writes))
        return Node(
            name, "Op", (Operator(name, "Op", "", inputs, outputs),), inputs, outputs, (), 0
        )

    nodes = (node("new", "x", "row present"), node("attend", "row past present", "mixed"))
    return Graph("step", nodes, (value("x"), value("past")), (value("mixed"), value("present")))


def test_homes() -> None:
    memory_of = {"cpu": "host", "pim": "pim"}
    there = Schedule.parse("run cpu: new\ntransfer row: host > pim\nrun pim: attend")
    here = Schedule.parse("run cpu: new, attend")
    homes = RESIDENTS.homes(_graph(), there, memory_of)
    assert homes == {"past": "pim", "present": "pim"}
    assert RESIDENTS.homes(_graph(), here, memory_of) == {}
    assert Residents(ends={"present": "pim"}).homes(_graph(), here, memory_of) == {"present": "pim"}
    assert RESIDENTS.names == {"past", "present"}
