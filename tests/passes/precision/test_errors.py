"""Errors of nodes against the slow answer: one run of the whole model with that node alone in
lower precision."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stagecut import backends
from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.device import Feeds, StagedSchedule, StageProgram, Tensor, silent
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.schedule import Run, Schedule, Stage
from stagecut.passes.precision.errors import MeasureErrors, NodeErrors
from stagecut.passes.precision.rms import rms
from stagecut.passes.stage.extract import Extractor
from stagecut.passes.stage.one_node import OneNode
from stagecut.passes.stage.stage import stage_programs
from stagecut.runtime.executor import Executor
from tests.support.products import products

INT8, INT4 = "cpu.int8.serial", "cpu.int4.serial"
DEVICES = {"int8": INT8, "int4": INT4}


class Small:
    """The products, staged by hand."""

    def __init__(self, folder: Path, count: int) -> None:
        self.program = load_program(products(count))
        [weights] = write_weights([self.program.model], folder)
        self.graph = graph_of(self.program)
        self.engines = backends.create_all(["cpu.serial", INT8, INT4])
        self.extract = Extractor(self.program, weights)
        self.measure = MeasureErrors(
            self.graph,
            self.extract,
            OneNode(self.extract, self.engines),
            lambda staged, outputs: Executor(staged, outputs, self.engines),
            self.values,
            self.whole,
            silent,
        )
        self.products = [node.name for node in self.graph.nodes if node.op == "MatMul"]
        self.devices = dict.fromkeys(self.products, DEVICES)

    def whole(self, program: StageProgram):  # type: ignore[no-untyped-def]
        everything = tuple(node.name for node in self.graph.nodes)
        schedule = Schedule((Stage("cpu.serial", everything),), (Run(0),))
        names = [value.name for value in program.outputs]
        executor = Executor(StagedSchedule(schedule, (program,), (None,)), names, self.engines)
        return lambda feeds: executor.run(feeds)[0]

    def values(self, feeds: Feeds) -> Mapping[str, Tensor]:
        values = [value for node in self.graph.nodes for value in node.outputs]
        return {**feeds, **self.whole(self.extract("values", self.graph.nodes, values))(feeds)}

    def outputs(self, device_of: Mapping[str, str], feeds: Feeds) -> Mapping[str, Tensor]:
        """Of a plan with a stage for each node."""
        stages = tuple(
            Stage(device_of.get(node.name, "cpu.serial"), (node.name,)) for node in self.graph.nodes
        )
        schedule = Schedule(stages, tuple(map(Run, range(len(stages)))))
        programs = stage_programs(self.graph, schedule, self.extract)
        staged = StagedSchedule(schedule, programs, (None,) * len(stages))
        return Executor(staged, [v.name for v in self.graph.outputs], self.engines).run(feeds)[0]

    def slow(self, device_of: Mapping[str, str], feeds: Feeds) -> float:
        return rms([(self.outputs(device_of, feeds), self.outputs({}, feeds))])


def _worst(found: NodeErrors) -> dict[str, dict[str, float]]:
    return {
        node: {precision: max(each.values()) for precision, each in own.items()}
        for node, own in found.by_output.items()
    }


def test_they_are_those_of_one_whole_run_a_node(tmp_path: Path) -> None:
    small = Small(tmp_path, 3)
    feeds = small.program.feeds
    found = small.measure(small.devices, [feeds])
    assert found.runs == 3
    assert not found.unknown
    for name in small.products:
        coarse = small.slow({name: INT4}, feeds)
        assert _worst(found)[name]["int4"] ** 0.5 == pytest.approx(coarse, rel=1e-3)
        fine = small.slow({name: INT8}, feeds)
        assert _worst(found)[name]["int8"] ** 0.5 == pytest.approx(fine, rel=0.2)


def test_squares_add_up_to_that_of_the_whole(tmp_path: Path) -> None:
    small = Small(tmp_path, 6)
    found = small.measure(small.devices, [small.program.feeds])
    for precision, device in DEVICES.items():
        total = sum(each[precision] for each in _worst(found).values()) ** 0.5
        true = small.slow(dict.fromkeys(small.products, device), small.program.feeds)
        assert total == pytest.approx(true, rel=0.25)


def test_nodes_share_runs_where_they_are_many(tmp_path: Path) -> None:
    small = Small(tmp_path, 6)
    alone = small.measure(small.devices, [small.program.feeds])
    shared = replace(small.measure, most_runs=2)(small.devices, [small.program.feeds])
    assert (alone.runs, shared.runs) == (6, 2)
    sums = [sum(each["int4"] for each in _worst(found).values()) for found in (alone, shared)]
    assert sums[1] == pytest.approx(sums[0], rel=0.5)


def test_samples_take_turns(tmp_path: Path) -> None:
    small = Small(tmp_path, 4)
    other = {"x": small.program.feeds["x"][::-1] * 0.5}
    found = small.measure(small.devices, [small.program.feeds, other])
    assert found.runs == 4
    second = small.measure({"m1": DEVICES, "m0": {}}, [other])
    assert found.by_output["m1"]["int4"] == pytest.approx(second.by_output["m1"]["int4"], rel=1e-3)


def test_a_node_that_cannot_be_run_alone_is_not_known(tmp_path: Path) -> None:
    small = Small(tmp_path, 2)

    def broken(staged: StagedSchedule, outputs: object) -> Executor:
        if staged.schedule.stages[0].device == INT4:
            raise EngineError("no such kernel")
        return Executor(staged, outputs, small.engines)  # type: ignore[arg-type]

    found = replace(small.measure, prepare=broken)(small.devices, [small.program.feeds])
    assert found.unknown == (("m0", "int4", "no such kernel"), ("m1", "int4", "no such kernel"))
    assert [*found.by_output["m0"]] == ["int8"]


def test_a_precision_that_changes_nothing_has_no_error(tmp_path: Path) -> None:
    small = Small(tmp_path, 2)
    same = {name: {"f32": "cpu.serial"} for name in small.products}
    found = small.measure(same, [small.program.feeds])
    assert (found.by_output, found.runs) == ({}, 0)
    assert np.isfinite(small.slow({}, small.program.feeds))
