"""The paths that are run to measure: what each is for, and that fewer would not do."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations, permutations

import pytest

from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.machine import HOST, Basis, Device, Machine, Memory, Route
from stagecut.passes.profile.paths import Path, TimedTransfer, plan_paths
from tests.support.expanded import expanded
from tests.support.published import published
from tests.support.tables import cost_table, every_assignment, seeded_table

BRANCH = cost_table(
    """
    a   : cpu 1, gang 1, pim 1
    b(a): cpu 1, pim 1
    c(b): cpu 1, pim 1
    d(c): cpu 1
    """,
    sizes={"a": 1 << 12, "b": 1 << 16, "c": 1 << 12},
)


def _said(paths: Sequence[Path]) -> list[str]:
    return [f"{path.name}: {path.reason}" for path in paths]


def test_a_path_for_each_device_and_then_for_the_transfers_that_they_do_not_make() -> None:
    paths = plan_paths(expanded(BRANCH)).paths
    assert _said(paths) == [
        "cpu: times 4 of 4 nodes on cpu",
        "gang: times 1 of 4 nodes on gang",
        "pim: times 3 of 4 nodes on pim",
        "transfers 1: crosses host>pim with 4.00 KiB, pim>host with 64.0 KiB",
        "transfers 2: crosses host>pim with 64.0 KiB",
    ]
    assert str(paths[2].assignment) == "a -> pim\nb -> pim\nc -> pim\nd -> cpu"
    assert paths[2].covers == (TimedTransfer(Route("pim", "host"), 1 << 12),)


def test_modelled_devices_and_links_take_no_path() -> None:
    devices = tuple(
        replace(device, basis="modelled" if device.name == "pim" else "measured")
        for device in BRANCH.machine.devices
    )
    table = replace(BRANCH, machine=replace(BRANCH.machine, devices=devices))
    links: dict[Route, Basis] = {
        Route("host", "pim"): "modelled",
        Route("pim", "host"): "modelled",
    }
    assert [path.name for path in plan_paths(expanded(table, links)).paths] == ["cpu", "gang"]


def test_devices_that_no_node_shares_take_their_paths_together() -> None:
    table = cost_table("a: cpu 1, gang 1\n b: cpu 1, pim 1", transfer_us={})
    paths = plan_paths(expanded(table, {})).paths
    assert _said(paths) == [
        "nodes 1: times 2 of 2 nodes on their device no. 1",
        "nodes 2: times 2 of 2 nodes on their device no. 2",
    ]
    assert str(paths[1].assignment) == "a -> gang\nb -> pim"


def test_inputs_start_and_outputs_end_in_the_host() -> None:
    table = cost_table("a(x): pim 1", inputs="x@host", outputs="a@host", sizes={"x": 1, "a": 2})
    (path,) = plan_paths(expanded(table)).paths
    there, back = Route(HOST, "pim"), Route("pim", HOST)
    assert path.covers == (TimedTransfer(there, 1), TimedTransfer(back, 2))


@pytest.mark.parametrize("case", ["bert-8", "roberta-64", "gpt2-8"])
def test_the_published_setting_takes_three_paths_when_links_join_memories(case: str) -> None:
    graph = expanded(published(case))
    plan = plan_paths(graph)
    assert [path.name for path in plan.paths] == ["cpu.serial", "cpu.parallel", "pim"]
    assert plan.fewest == 3


@pytest.mark.parametrize("case", ["bert-8", "roberta-64", "gpt2-8"])
def test_the_published_setting_takes_three_and_one_when_links_join_devices(case: str) -> None:
    """The publication tells transfers apart by device, as if each CPU had its own memory."""
    table = published(case)
    apart = Machine(
        (Memory("host"), Memory("parallel"), Memory("pim")),
        (
            Device("cpu.serial", "host"),
            Device("cpu.parallel", "parallel"),
            Device("pim", "pim"),
        ),
    )
    links = [Route(*pair) for pair in permutations(("host", "parallel", "pim"), 2) if "pim" in pair]
    graph = expanded(replace(table, machine=apart), dict.fromkeys(links, "measured"))
    plan = plan_paths(graph)
    names = ["cpu.serial", "cpu.parallel", "pim", "transfers 1"]
    assert [path.name for path in plan.paths] == names
    assert plan.fewest == 4


def test_brute_force_agrees() -> None:
    """Every transfer that some assignment makes is timed, with as few paths as can be."""
    for seed in range(200):
        table = seeded_table(seed, max_nodes=5, max_devices=3)
        graph = expanded(replace(table, inputs=(), outputs=()))
        plan = plan_paths(graph)
        paths, nodes = plan.paths, plan.nodes
        assert len(nodes) == max(map(len, graph.candidates.values()))
        assert _timed(nodes) == {(n, d) for n, names in graph.candidates.items() for d in names}
        all_made = {frozenset(_made(graph, each.devices)) for each in every_assignment(table)}
        missing = frozenset().union(*all_made) - {made for path in nodes for made in path.covers}
        assert len(paths) - len(nodes) == _fewest({made & missing for made in all_made}, missing)
        assert plan.fewest == len(paths)
        for path in paths:
            assert set(path.covers) == _made(graph, path.assignment.devices)


def _timed(paths: Sequence[Path]) -> set[tuple[str, str]]:
    return {(node, path.assignment[node]) for path in paths for node in path.assignment}


def _made(graph: ExpandedGraph, devices: Mapping[str, str]) -> set[TimedTransfer]:
    memory = {node: graph.machine.device(device).memory for node, device in devices.items()}
    made = set()
    for node in graph.graph.nodes:
        for value in node.inputs:
            writers = [each.name for each in graph.graph.nodes if value in each.outputs]
            source = memory[writers[0]] if writers else HOST
            if source != memory[node.name]:
                made.add(TimedTransfer(Route(source, memory[node.name]), value.size_bytes))
    return made


def _fewest(made: set[frozenset[TimedTransfer]], missing: frozenset[TimedTransfer]) -> int:
    largest = [each for each in made if not any(each < other for other in made)]
    for count in range(len(missing) + 1):
        for chosen in combinations(largest, count):
            if frozenset().union(*chosen) == missing:
                return count
    raise AssertionError("some assignment makes each transfer")
