"""Small things that every backend and every executor shares."""

import numpy as np
import onnx_ir as ir
import pytest

from stagecut.compiler.ir.device import YES, StagedSchedule, StageProgram, Support, as_array, silent
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.graph import Value
from stagecut.compiler.ir.schedule import Schedule


def test_support_is_yes_or_no_with_a_reason() -> None:
    assert YES
    assert not Support("too large")


def test_a_schedule_with_its_programs_as_text() -> None:
    model = ir.Model(ir.Graph([], [], nodes=[]), ir_version=10)
    x, y = Value("x", "float32", (2,)), Value("y", "float32", (2,))
    program = StageProgram("stage-000", model, (x,), (y,))
    staged = StagedSchedule(Schedule.parse("run cpu: a"), (program,), (None,))
    assert str(staged) == "run cpu: a\nstage-000: (%x) -> %y:float32[2]"


def test_nobody_sees_silent_progress() -> None:
    assert [*silent([1, 2], "counting")] == [1, 2]


def test_the_numbers_of_a_weight() -> None:
    array = np.arange(3, dtype=np.float32)
    np.testing.assert_array_equal(as_array(ir.tensor(array)), array)


def test_the_weights_of_a_stage_have_numbers() -> None:
    known = ir.Value(name="known", const_value=ir.tensor([1.0, 2.0]))
    lost = ir.Value(name="lost", const_value=ir.tensor([1.0]))
    graph = ir.Graph([], [], nodes=[], initializers=[known, lost])
    lost.const_value = None
    stage = StageProgram("stage-001", ir.Model(graph, ir_version=10), (), ())
    assert stage.weight("known").tolist() == [1.0, 2.0]
    with pytest.raises(EngineError, match="has no data") as error:
        stage.weight("lost")
    assert error.value.where == "stage stage-001, weight lost"
