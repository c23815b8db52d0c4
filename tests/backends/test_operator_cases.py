"""The cases that devices are asked: which there are, and that a wrong answer is found."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from benchmarks.operator_pool import Task, run
from stagecut.backends.null import create
from stagecut.backends.null.device import NullBackend
from stagecut.compiler.ir.device import YES, Executable, StageProgram, Support, Tensor
from stagecut.compiler.ir.graph import Node
from tests.support.operators.case import Case, inferred, placed
from tests.support.operators.compare import difference
from tests.support.operators.explained import explanation
from tests.support.operators.forms import FORMS, LEFT_OUT, cases_of
from tests.support.operators.forms.shorthand import c, form, v, x
from tests.support.operators.schemas import case_of, cases, operators, versions
from tests.support.operators.verdict import Verdict, verdicts


def test_every_operator_of_onnx_is_asked_or_left_out_with_a_reason() -> None:
    assert FORMS.keys() & LEFT_OUT.keys() == set()
    assert set(operators()) <= FORMS.keys() | LEFT_OUT.keys()


def test_a_form_becomes_cases_of_every_version_that_has_it() -> None:
    by_attribute = cases("ReduceSum", [form(x(2, 3), axes=(1,))])
    by_operand = cases("ReduceSum", [form(x(2, 3), c([1], "int64"))])
    assert {case.version for case in by_attribute} == {1, 10, 11, 12}
    assert {case.version for case in by_operand} == {13, 26}


def test_both_sides_of_a_change_of_meaning_are_asked() -> None:
    assert {10, 11, 12, 13} <= {case.version for case in cases_of("Softmax")}
    assert [first for first, _, _ in versions("Softmax")] == [1, 11, 13]


def test_types_are_those_that_the_schema_allows() -> None:
    found = {case.operands[0].dtype for case in cases_of("BitShift") if case.operands[0]}
    assert found == {"uint8", "uint16", "uint32", "uint64"}


def test_cases_have_names_of_their_own() -> None:
    for op in ("Cast", "Resize", "GRU"):
        names = [str(case) for case in cases_of(op)]
        assert len(names) == len(set(names)) > 50


def test_data_are_the_same_each_time_and_as_they_are_named() -> None:
    case = case_of("Add", 14, form(x(2, 3), x(3)))
    assert case.data == ("usual", "zero", "small", "large", "ends", "masked", "infinite", "nan")
    for data in case.data:
        once, again = case.feeds(data), case.feeds(data)
        np.testing.assert_array_equal(once["x0"], again["x0"])
    small, usual = case.feeds("small")["x0"], case.feeds("usual")["x0"]
    np.testing.assert_allclose(small, usual / 1e4, rtol=1e-6)
    assert np.isnan(case.feeds("nan")["x0"]).any()
    assert np.isneginf(case.feeds("masked")["x0"]).any()
    assert case.feeds("ends")["x0"].max() == np.finfo(np.float32).max


def test_the_node_is_what_the_planner_sees() -> None:
    case = case_of("TopK", 11, form(x(2, 5), c([3]), axis=1, outputs=2))
    model = case.model()
    results = inferred(model)
    assert results is not None
    node, stage = placed(model, results)
    assert [value.shape for value in node.outputs] == [(2, 3), (2, 3)]
    assert [value.dtype for value in stage.outputs] == ["float32", "int64"]
    assert node.operators[0].version == 11
    _, opened = placed(model, results, opened=True)
    assert not opened.model.graph.inputs[0].shape.is_static()  # type: ignore[union-attr]


@dataclass(frozen=True)
class Liar:
    """Runs everything, and adds `error` to the first number of each result."""

    inner: NullBackend
    error: float

    device = property(lambda self: self.inner.device)
    memory = property(lambda self: self.inner.memory)
    links = ()

    def supports(self, node: Node) -> Support:
        if node.op == "Exp":
            raise ZeroDivisionError("in supports")
        return Support("too hard") if node.op == "Tan" else YES

    def estimate(self, node: Node) -> None:
        return None

    def prepare(self, stage: StageProgram) -> Executable:
        if stage.model.graph[0].op_type == "Sin":
            raise ZeroDivisionError("in prepare")
        execute = self.inner.prepare(stage)

        def run_it(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
            results = [np.array(each) for each in execute(inputs)]
            results[0].flat[0] += np.asarray(self.error, results[0].dtype)
            return results

        return run_it


def _found(op: str, error: float = 0.0) -> dict[str, Verdict]:
    backend = Liar(create("null", {"memory": "host", "basis": "measured"}), error)
    asked = form(x(2, 3, dtype="float32"))
    return {each.data: each for each in verdicts(case_of(op, 13, asked), backend)}


def test_a_right_answer_is_right() -> None:
    assert {each.outcome for each in _found("Abs").values()} == {"right"}


def test_a_wrong_answer_is_wrong() -> None:
    found = _found("Abs", error=1.0)
    assert found["usual"].outcome == "wrong"
    assert "off by 1" in found["usual"].reason
    assert found["zero"].outcome == "wrong"


def test_a_refusal_and_an_error_are_what_they_are() -> None:
    assert _found("Tan")[""] == Verdict("refused", reason="too hard")
    assert _found("Sin")[""] == Verdict("error", reason="prepare: in prepare")
    assert _found("Exp")[""] == Verdict("error", reason="supports: in supports")


@pytest.mark.parametrize(
    ("found", "right", "told"),
    [
        ([1.0, 2.0], [1.0, 2.0], ""),
        ([1.0, 2.0], [1.0, 2.001], ""),
        ([1.0, 2.0], [1.0, 2.1], "off by 0.1 where the largest is 2.1"),
        ([1.0, np.nan], [1.0, np.nan], ""),
        ([1.0, 2.0], [1.0, np.nan], "NaN elsewhere"),
        ([1.0, np.inf], [1.0, -np.inf], "infinite elsewhere"),
        ([np.inf], [np.inf], ""),
        ([1, 2], [1, 3], "1 of 2 differ"),
        ([[1.0]], [1.0], "shape (1, 1) instead of (1,)"),
        ([1], [1.0], "type int64 instead of float64"),
    ],
)
def test_difference(found: list[float], right: list[float], told: str) -> None:
    assert difference([np.array(found)], [np.array(right)], 1e-3) == told


def test_results_are_counted() -> None:
    assert difference([], [np.zeros(1)], 1e-3) == "0 results instead of 1"
    two = [np.zeros(1), np.zeros(1)]
    assert difference(two, [np.zeros(1), np.ones(1)], 1e-3).startswith("result 1: off by 1")


def test_what_is_explained_is_so_for_its_device_and_data_only() -> None:
    halves = case_of("QuantizeLinear", 13, form(v([0.25], "float32"), c(0.5), c(1, "uint8")))
    assert explanation(halves, "usual", "openvino.f32")
    assert not explanation(halves, "usual", "cpu.serial")
    usual = case_of("QuantizeLinear", 13, form(x(2), c(0.5), c(1, "uint8")))
    assert not explanation(usual, "usual", "openvino.f32")
    assert explanation(case_of("LRN", 13, form(x(1, 2, 2, 2), size=3)), "large", "cpu.serial")


def test_a_case_that_no_version_has_is_void() -> None:
    case = Case("Relu", 13, (x(2, dtype="float32"),), {"alpha": 1.0})
    backend = create("null", {})
    assert [each.outcome for each in verdicts(case, backend)] == ["void"]


def test_cases_run_in_a_child_process() -> None:
    tasks = [Task("Det", 0), Task("Abs", 0)]
    found = dict(run(tasks, "null:memory=host,basis=measured", processes=1))
    assert {each.outcome for each in found[tasks[0]]} <= {"right", "not finite"}


def test_a_child_that_dies_is_a_finding() -> None:
    ((_, found),) = run([Task("no such operator", 0)], "null", processes=1)
    assert found[0].outcome == "crash"
    assert found[0].reason == "exit code 1"
