"""The simple methods beside the exact one: what they choose, and that they prove nothing false."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given

from stagecut.compiler.ir.costs import CostTable, ValueCosts
from stagecut.compiler.ir.errors import DeviceError, StagecutError, UnplaceableError
from stagecut.compiler.ir.machine import Memory
from stagecut.compiler.ir.solution import Solution
from stagecut.passes.partition.baselines.chain import Chain
from stagecut.passes.partition.baselines.greedy import Greedy
from stagecut.passes.partition.baselines.priority import Priority
from stagecut.passes.partition.baselines.single import Single
from stagecut.passes.partition.partition import Partition
from tests.support.tables import US, cost_table, cost_tables, placed, seeded_table

Method = Callable[[CostTable], Solution]

CHAIN = cost_table(
    "a: cpu 3, pim 5\n b(a): cpu 4, pim 1\n c(b): cpu 2, gang 1\n d(a): cpu 3, pim 2"
)

CHOICES: dict[str, tuple[Method, str]] = {
    "greedy pays for a copy and then profits from it": (Greedy(), "cpu: a; pim: b, d; gang: c"),
    "priority takes the first that can": (
        Priority(("pim", "gang", "cpu")),
        "pim: a, b, d; gang: c",
    ),
    "priority follows the table without a list": (Priority(), "cpu: a, b, c, d"),
    "single takes one device": (Single("cpu"), "cpu: a, b, c, d"),
    "single takes the only one that can without a name": (Single(), "cpu: a, b, c, d"),
}


@pytest.mark.parametrize(("method", "assignment"), CHOICES.values(), ids=CHOICES.keys())
def test_choice(method: Method, assignment: str) -> None:
    assert method(CHAIN).assignment.devices == placed(assignment).devices


def test_greedy_breaks_ties_by_index() -> None:
    table = cost_table("a: pim 1, gang 1, cpu 1")
    assert Greedy()(table).assignment["a"] == "cpu"


def test_greedy_does_not_look_ahead() -> None:
    table = cost_table("a: cpu 1, pim 2\n b(a): pim 1", move_us=5)
    assert Greedy()(table).assignment["a"] == "cpu"
    assert Partition()(table).assignment["a"] == "pim"


def test_chain_is_exact_on_chains() -> None:
    for seed in range(500):
        table = _chained(seeded_table(seed))
        try:
            least = Partition()(table).total_s
        except UnplaceableError:
            with pytest.raises(UnplaceableError):
                Chain()(table)
            continue
        assert Chain()(table).total_s == pytest.approx(least, abs=1e-12)


def _chained(table: CostTable) -> CostTable:
    """The same nodes, each reading what the one before it wrote; any weights fit."""
    names = [f"c{index}" for index in range(len(table.nodes) + 1)]
    move = table.values[0] if table.values else ValueCosts("free", 0)
    memories = tuple(Memory(memory.name) for memory in table.machine.memories)
    return replace(
        table,
        machine=replace(table.machine, memories=memories),
        values=tuple(replace(move, name=name) for name in names),
        nodes=tuple(
            replace(node, inputs=(read,), outputs=(written,))
            for node, (read, written) in zip(table.nodes, pairwise(names), strict=True)
        ),
        inputs=tuple(replace(end, name=names[0]) for end in table.inputs[:1]),
        outputs=tuple(replace(end, name=names[-1]) for end in table.outputs[:1]),
    )


def test_chain_charges_one_value_where_two_come_back() -> None:
    table = cost_table(
        "a: cpu 1\n b(a): cpu 4, pim 1\n c(a): cpu 4, pim 1\n d(b, c): cpu 1", move_us=2.5
    )
    assert Chain()(table).total_s == pytest.approx(11.5 * US)
    assert Partition()(table).total_s == pytest.approx(10 * US)


def test_chain_may_run_into_a_dead_end() -> None:
    with pytest.raises(UnplaceableError) as error:
        Chain()(cost_table("a: cpu 1\n b(a): pim 1", move_us={}))
    assert error.value.where == "node b (Op)"


def test_single_takes_the_best_device() -> None:
    table = cost_table("a: cpu 3, gang 2\n b: cpu 1, gang 1")
    assert Single()(table).assignment.devices == placed("gang: a, b").devices


REFUSALS: dict[str, tuple[Method, type[StagecutError], str]] = {
    "a device that cannot run all": (Single("pim"), UnplaceableError, "pim cannot run it"),
    "a device that does not exist": (Single("gpu"), DeviceError, "no device 'gpu'"),
    "a list that cannot run all": (Priority(("pim",)), UnplaceableError, "none of pim"),
    "a list with an unknown device": (Priority(("cpu", "gpu")), DeviceError, "no device 'gpu'"),
}


@pytest.mark.parametrize(("method", "error", "problem"), REFUSALS.values(), ids=REFUSALS.keys())
def test_refusal(method: Method, error: type[StagecutError], problem: str) -> None:
    with pytest.raises(error, match=problem) as raised:
        method(CHAIN)
    assert raised.value.fix


def test_no_single_device_is_left() -> None:
    with pytest.raises(UnplaceableError, match="no single device"):
        Single()(cost_table("a: cpu 1\n b: pim 1"))


def test_single_leaves_out_devices_that_lack_room() -> None:
    drawn = cost_table("a: cpu 3, pim 1\n b(a): cpu 3, pim 1")
    memories = tuple(
        Memory(memory.name, 9 if memory.name == "pim" else None)
        for memory in drawn.machine.memories
    )
    heavy = replace(
        drawn,
        machine=replace(drawn.machine, memories=memories),
        nodes=tuple(replace(node, held_bytes={"pim": 5}) for node in drawn.nodes),
    )
    assert set(Single()(drawn).assignment.devices.values()) == {"pim"}
    assert set(Single()(heavy).assignment.devices.values()) == {"cpu"}


def test_greedy_may_run_into_a_dead_end() -> None:
    table = cost_table("a: cpu 1, pim 2\n b(a): pim 1", move_us={})
    with pytest.raises(UnplaceableError) as error:
        Greedy()(table)
    assert error.value.where == "node b (Op)"
    assert Partition()(table).assignment["a"] == "pim"


@pytest.mark.parametrize("method", [Single(), Priority(), Greedy(), Chain()], ids=repr)
@given(table=cost_tables())
def test_nothing_beats_the_exact_method(method: Method, table: CostTable) -> None:
    try:
        found = method(table)
    except StagecutError:
        return
    best = Partition()(table)
    assert found.certificate.lower_bound <= best.total_s * (1 + 1e-12)
    assert best.total_s <= found.total_s * (1 + 1e-12)
    assert not found.certificate.exact or found.total_s == pytest.approx(best.total_s)
