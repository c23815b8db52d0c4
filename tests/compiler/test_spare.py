"""A fallback reads the weights that ship where it is right with them, else its own."""

from pathlib import Path

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
from stagecut.compiler.ir.device import StagedSchedule, StageProgram
from stagecut.compiler.measurements import Measurements
from stagecut.compiler.spare import with_weights_of
from stagecut.passes.stage.one_node import OneNode
from tests.support.products import products

CPU = "cpu.serial"


@pytest.fixture
def answers(tmp_path: Path) -> Answers:
    engines = backends.create_all([CPU])
    context = CompileContext(engines, {CPU: CPU}, Settings(warn=lambda _: None), None, ())
    program = load_program(products())
    [weights] = write_weights([program.model], tmp_path)
    return Measurements(context, program, graph_of(program), weights).answers


def _whole(answers: Answers) -> StagedSchedule:
    return answers.on_reference(
        answers.extract("fallback-000", answers.graph.nodes, answers.graph.outputs)
    )


def _few(program: StageProgram) -> list[str]:
    weights = program.model.graph.initializers.items()
    return [name for name, value in weights if isinstance(value.const_value, QuantisedTensor)]


def test_it_reads_what_ships_where_it_is_right_with_it(answers: Answers) -> None:
    spare = _whole(answers)
    shipped = [stored(spare.programs[0], Scheme(8, None))]
    [found] = with_weights_of(shipped, spare, answers, 0.05)
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
    [found] = with_weights_of(shipped, spare, answers, most)
    assert not _few(found)


def test_nothing_changes_where_all_that_ships_is_in_full(answers: Answers) -> None:
    spare = _whole(answers)
    [found] = with_weights_of(spare.programs, spare, answers, 1.0)
    assert found is spare.programs[0]


def test_only_weights_that_ship_in_few_bits_are_read_so(answers: Answers) -> None:
    spare, node = _whole(answers), answers.graph.nodes[0]
    [first] = OneNode(answers.extract, answers.reference_engines)(node, CPU).programs
    [found] = with_weights_of([stored(first, Scheme(8, None))], spare, answers, 0.05)
    assert _few(found) == ["w0"]
