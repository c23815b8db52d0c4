"""A node by itself, or several that have nothing to do with each other, wherever their device's
memory is."""

from pathlib import Path

import numpy as np
import pytest

from stagecut import backends
from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.schedule import Transfer
from stagecut.passes.stage.extract import Extractor
from stagecut.passes.stage.one_node import OneNode, is_portable
from stagecut.runtime.executor import Executor
from tests.support.products import products


@pytest.mark.parametrize(("device", "transfers"), [("cpu.serial", 0), ("null", 2)])
def test_it_starts_and_ends_in_the_hosts_memory(
    device: str, transfers: int, tmp_path: Path
) -> None:
    program = load_program(products(2))
    [weights] = write_weights([program.model], tmp_path)
    engines = backends.create_all(["cpu.serial", "null:memory=pim"])
    node = graph_of(program).node_named["m1"]
    staged = OneNode(Extractor(program, weights), engines)(node, device)
    assert sum(isinstance(step, Transfer) for step in staged.schedule.steps) == transfers
    h = program.feeds["x"]
    found = Executor(staged, ["h1"], engines).run({"t0": h})[0]["h1"]
    weight = program.model.graph.initializers["w1"].const_value
    assert weight is not None
    np.testing.assert_allclose(found, h @ weight.numpy(), rtol=1e-4, atol=1e-5)
    assert is_portable(node)


@pytest.mark.parametrize("device", ["cpu.serial", "null"])
def test_several_at_once_write_what_each_writes_alone(device: str, tmp_path: Path) -> None:
    program = load_program(products(3))
    [weights] = write_weights([program.model], tmp_path)
    engines = backends.create_all(["cpu.serial", "null:memory=pim"])
    graph, one = graph_of(program), OneNode(Extractor(program, weights), engines)
    nodes = [graph.node_named[name] for name in ("m0", "m2")]
    feeds = {"x": program.feeds["x"], "t1": 2 * program.feeds["x"]}
    both = Executor(one.beside(nodes, device), ["h0", "h2"], engines).run(feeds)[0]
    for node, output in zip(nodes, ("h0", "h2"), strict=True):
        own = {value.name: feeds[value.name] for value in node.inputs}
        found = Executor(one(node, device), [output], engines).run(own)[0]
        np.testing.assert_array_equal(both[output], found[output])
