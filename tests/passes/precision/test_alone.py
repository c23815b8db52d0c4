"""Nodes in lower precision by themselves: together where they have nothing to do with each other,
one by one where an engine fails."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from stagecut import backends
from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.device import StagedSchedule, Tensor
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.graph import Node
from stagecut.passes.precision.alone import Alone
from stagecut.passes.stage.extract import Extractor
from stagecut.passes.stage.one_node import OneNode
from stagecut.runtime.executor import Executor
from tests.support.products import products

INT8, INT4 = "cpu.int8.serial", "cpu.int4.serial"


class Products:
    """Four products, one behind the other; `prepared` are the nodes of each stage."""

    def __init__(self, folder: Path, fails: str = "") -> None:
        program = load_program(products(4))
        [weights] = write_weights([program.model], folder)
        self.engines = backends.create_all(["cpu.serial", INT8, INT4])
        self.prepared: list[tuple[str, ...]] = []
        self.fails = fails
        self.every = graph_of(program).nodes
        self.nodes = [node for node in self.every if node.op == "MatMul"]
        last: dict[str, Tensor] = {"x": program.feeds["x"]}
        at = "x"
        for number in range(4):
            weight = program.model.graph.initializers[f"w{number}"].const_value
            assert weight is not None
            last[f"h{number}"] = last[at] @ weight.numpy()
            at = f"t{number}"
            last[at] = np.tanh(last[f"h{number}"])
        self.values = last
        self.alone = Alone(OneNode(Extractor(program, weights), self.engines), self._prepare)

    def _prepare(self, staged: StagedSchedule, outputs: Sequence[str]) -> Executor:
        [stage] = staged.schedule.stages
        self.prepared.append(stage.nodes)
        if self.fails in stage.nodes:
            raise EngineError(f"{len(stage.nodes)} nodes are too many")
        return Executor(staged, outputs, self.engines)


def _devices(nodes: Sequence[Node]) -> dict[str, dict[str, str]]:
    return {node.name: {"int8": INT8, "int4": INT4} for node in nodes}


def test_together_they_are_as_far_off_as_one_by_one(tmp_path: Path) -> None:
    own = Products(tmp_path)
    together, unknown = own.alone(own.nodes, _devices(own.nodes), own.values)
    assert not unknown
    assert len(own.prepared) == 2  # products lie between functions: none reads another's
    for node in own.nodes:
        alone, _ = own.alone([node], _devices([node]), own.values)
        for precision, found in alone[node.name].items():
            assert found.relative == pytest.approx(together[node.name][precision].relative)
    assert all(each["int8"].relative < each["int4"].relative for each in together.values())


def test_where_an_engine_fails_they_run_one_by_one(tmp_path: Path) -> None:
    own = Products(tmp_path, fails="m2")
    found, unknown = own.alone(own.nodes, _devices(own.nodes), own.values)
    assert unknown == [
        ("m2", "int8", "1 nodes are too many"),
        ("m2", "int4", "1 nodes are too many"),
    ]
    assert not found["m2"]
    assert all(found[name].keys() == {"int8", "int4"} for name in ("m0", "m1", "m3"))


def test_who_reads_what_another_writes_runs_apart_from_it(tmp_path: Path) -> None:
    own = Products(tmp_path)
    own.alone(own.every, {node.name: {"int8": INT8} for node in own.every}, own.values)
    named = {node.name: node for node in own.every}
    assert sorted(name for stage in own.prepared for name in stage) == sorted(named)
    assert len(own.prepared) == 2
    for stage in own.prepared:
        written = {value.name for name in stage for value in named[name].outputs}
        assert written.isdisjoint(v.name for name in stage for v in named[name].inputs)
