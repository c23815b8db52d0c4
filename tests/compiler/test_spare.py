"""A fallback reads the weights that ship where it is right with them, else its own."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from stagecut import backends
from stagecut.backends.quantised.scheme import Scheme
from stagecut.backends.quantised.store import stored
from stagecut.compiler.answers import Answers
from stagecut.compiler.context import CompileContext, Settings
from stagecut.compiler.formats.quantised_tensor import QuantisedTensor
from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.account import Account
from stagecut.compiler.ir.contender import ContenderId, ContenderKind
from stagecut.compiler.ir.device import StagedSchedule, StageProgram
from stagecut.compiler.measurements import Measurements
from stagecut.compiler.spare import with_weights_of
from stagecut.passes.gate.accuracy import Limit
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.stage.one_node import OneNode
from tests.support.products import SIZE, products

CPU = "cpu.serial"
FLOAT, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64


#: How far off a plan in few bits may be where nothing is said, and where that is.
USUAL = Limit(0.05, lower=True, stretched=False)


def _within(relative: float) -> Limit:
    return replace(USUAL, relative=relative, asked=True)


@pytest.fixture
def answers(tmp_path: Path) -> Answers:
    return _answers(products(), tmp_path)


def _answers(model: onnx.ModelProto, tmp_path: Path) -> Answers:
    engines = backends.create_all([CPU])
    context = CompileContext(engines, {CPU: CPU}, Settings(warn=lambda _: None), None, ())
    program = load_program(model)
    [weights] = write_weights([program.model], tmp_path)
    return Measurements(context, program, graph_of(program), weights).answers


def _whole(answers: Answers) -> StagedSchedule:
    return answers.on_reference(
        answers.extract("fallback-000", answers.graph.nodes, answers.graph.outputs)
    )


def _proposal(spare: StagedSchedule) -> Proposal:
    costs = Account((), 1.0, 0.0, "measured", {}, {})
    return Proposal(ContenderId(ContenderKind.SINGLE, CPU), spare.schedule, costs)


def _stored(
    shipped: Sequence[StageProgram], spare: StagedSchedule, answers: Answers, limit: Limit | None
) -> StageProgram:
    [found] = with_weights_of(shipped, _proposal(spare), spare, answers, limit)
    return found


def _few(program: StageProgram) -> list[str]:
    weights = program.model.graph.initializers.items()
    return [name for name, value in weights if isinstance(value.const_value, QuantisedTensor)]


def test_it_reads_what_ships_where_it_is_right_with_it(answers: Answers) -> None:
    spare = _whole(answers)
    shipped = [stored(spare.programs[0], Scheme(8, None))]
    found = _stored(shipped, spare, answers, _within(0.05))
    assert _few(found) == ["w0", "w1", "w2"]
    assert not _few(spare.programs[0])
    for name in _few(found):
        held = [each.model.graph.initializers[name].const_value for each in (found, shipped[0])]
        assert all(isinstance(each, QuantisedTensor) for each in held)
        assert len({each.matrix.digest for each in held if isinstance(each, QuantisedTensor)}) == 1


@pytest.mark.parametrize(("bits", "most"), [(8, 1e-6), (4, 0.01)])
def test_it_has_its_own_where_it_is_not(answers: Answers, bits: int, most: float) -> None:
    spare = _whole(answers)
    shipped = [stored(spare.programs[0], Scheme(bits, 32))]
    found = _stored(shipped, spare, answers, _within(most))
    assert not _few(found)


def test_nothing_changes_where_all_that_ships_is_in_full(answers: Answers) -> None:
    spare = _whole(answers)
    found = _stored(spare.programs, spare, answers, _within(1.0))
    assert found is spare.programs[0]


def test_only_weights_that_ship_in_few_bits_are_read_so(answers: Answers) -> None:
    spare, node = _whole(answers), answers.graph.nodes[0]
    [first] = OneNode(answers.extract, answers.reference_engines)(node, CPU).programs
    found = _stored([stored(first, Scheme(8, None))], spare, answers, _within(0.05))
    assert _few(found) == ["w0"]


def test_integers_are_looked_at(tmp_path: Path) -> None:
    model = products(rows=64)
    [output] = model.graph.output
    node = onnx.helper.make_node("ArgMax", [output.name], ["y"], "last", axis=-1)
    model.graph.output.remove(output)
    model.graph.output.append(onnx.helper.make_tensor_value_info("y", INT64, (64, 1)))
    model.graph.node.append(node)
    assert not _few_usually(_answers(model, tmp_path))


def test_places_without_a_number_are_looked_at(tmp_path: Path) -> None:
    """Of another output than the first."""
    model = products(rows=64)
    [output] = model.graph.output
    model.graph.output.append(onnx.helper.make_tensor_value_info("y", FLOAT, (64, SIZE)))
    model.graph.node.append(onnx.helper.make_node("Sqrt", [output.name], ["y"], "last"))
    assert not _few_usually(_answers(model, tmp_path), bits=8)


def _few_usually(answers: Answers, bits: int = 4) -> list[str]:
    spare = _whole(answers)
    shipped = [stored(spare.programs[0], Scheme(bits, None if bits == 8 else 32))]
    return _few(_stored(shipped, spare, answers, USUAL))


def test_it_has_its_own_where_a_metric_says_nothing(answers: Answers) -> None:
    spare = _whole(answers)
    shipped = [stored(spare.programs[0], Scheme(8, None))]
    unknown = replace(_within(0.05), loss=0.01)
    assert not _few(_stored(shipped, spare, answers, unknown))
    assert not _few(_stored(shipped, spare, answers, None))
