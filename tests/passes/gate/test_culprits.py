"""Nodes run alone, one by one, until the time is up; values that cannot leave an engine are left
where they are.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import onnx
import onnx.parser
import pytest

from stagecut import backends
from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.contender import ContenderId, ContenderKind
from stagecut.compiler.ir.device import Feeds, StagedSchedule, Tensor
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.schedule import Run, Schedule, Stage
from stagecut.passes.gate.accuracy import Flaw, Limit
from stagecut.passes.gate.build import Wrong
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.gate.culprits import Culprits
from stagecut.passes.gate.further_inputs import InputSet
from stagecut.passes.stage.extract import Extractor
from stagecut.runtime.executor import Executor
from tests.support import lying
from tests.support.onnx_models import MODELS
from tests.support.tables import cost_table, in_order, placed

SPECS = ("cpu.serial", "null:memory=pim", "lying:how=zeros")

Find = Callable[..., list[tuple[str, str]]]


def _wrong(nodes: tuple[str, ...], device: str, inputs: InputSet) -> Wrong:
    """A contender whose nodes all run on one device; what it costs does not matter here."""
    table = cost_table("a: cpu 1")
    costs = account(table, in_order(table, placed("cpu: a")))
    schedule = Schedule((Stage(device, nodes),), (Run(0),))
    proposal = Proposal(ContenderId(ContenderKind.SINGLE, device), schedule, costs)
    return Wrong(proposal, StagedSchedule(schedule, (), ()), inputs, Flaw("y is off", 1.0))


@pytest.fixture
def find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Find:
    lying.use(monkeypatch)

    def found(
        *devices: str,
        model: onnx.ModelProto | None = None,
        clock: Callable[[], float] = lambda: 0.0,
        odd: bool = False,
        **broken: Callable[..., object],
    ) -> list[tuple[str, str]]:
        program = load_program(MODELS["residual"].proto() if model is None else model)
        graph, engines = graph_of(program), backends.create_all(SPECS)
        [weights] = write_weights([program.model], tmp_path)
        extract = Extractor(program, weights)
        everything = tuple(node.name for node in graph.nodes)

        def values(feeds: Feeds) -> Mapping[str, Tensor]:
            handed_on = [each for node in graph.nodes for each in node.outputs if each.portable]
            whole = extract("values", graph.nodes, handed_on)
            schedule = Schedule((Stage("cpu.serial", everything),), (Run(0),))
            staged = StagedSchedule(schedule, (whole,), (None,))
            names = [each.name for each in handed_on]
            return {**feeds, **Executor(staged, names, engines).run(feeds)[0]}

        culprits = Culprits(
            graph,
            extract,
            engines,
            lambda staged, outputs: Executor(staged, outputs, engines),
            values,
            "cpu.serial",
            lambda _: Limit(1e-3),
            clock,
        )
        inputs = InputSet("zeros", program.feeds)
        if odd:
            inputs = replace(inputs, numbers=(inputs,))
        wrong = [_wrong(everything, device, inputs) for device in devices]
        faults = replace(culprits, **broken)(wrong)  # type: ignore[arg-type]
        assert all(fault.reason.startswith("on zeros, ") for fault in faults)
        return [(fault.node, fault.device) for fault in faults]

    return found


def test_each_node_of_a_liar_is_found_once(find: Find) -> None:
    nodes = ["MatMul", "Relu", "Add", "MatMul_1", "Add_1"]
    assert find("lying", "lying") == [(name, "lying") for name in nodes]


def test_what_is_right_is_not_to_blame(find: Find) -> None:
    """Values get to a memory of their own and back."""
    assert find("null", "cpu.serial") == []


def test_time_runs_out(find: Find) -> None:
    seconds = iter(range(0, 1000, 8))
    assert len(find("lying", clock=lambda: float(next(seconds)))) == 2


def test_nobody_is_to_blame_for_what_a_nan_becomes_within(find: Find) -> None:
    assert find("lying", odd=True) == []


def test_a_node_that_cannot_be_run_alone_is_left(find: Find) -> None:
    def fails(*_: object) -> object:
        raise EngineError("no memory left")

    assert find("lying", prepare=fails) == []


def test_values_that_cannot_leave_their_engine(find: Find) -> None:
    model = onnx.parser.parse_model(
        """<ir_version: 10, opset_import: ["": 21]>
        parts (float[2,4] x) => (float[2,4] y)
        { s = SplitToSequence<axis = 0>(x)  h = ConcatFromSequence<axis = 0>(s)  y = Relu(h) }"""
    )
    assert find("lying", model=model) == [("Relu", "lying")]
