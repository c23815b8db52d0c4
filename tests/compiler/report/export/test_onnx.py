"""One model out of a plan's programs: it computes the same, and operators say where they run."""

from dataclasses import replace

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx.reference import ReferenceEvaluator

from stagecut.compiler.ir.device import StagedSchedule, Tensor
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.report.export.onnx import annotated
from tests.support import nodes
from tests.support.planned import Row, planned
from tests.support.planned_variants import CPU, PROVENANCE

WEIGHTS = np.arange(128, dtype=np.float32).reshape(16, 8) / 64 - 1


def matmul_relu_add() -> tuple[PlannedVariant, StagedSchedule]:
    """h = x @ w on cpu.serial, r = relu(h) on cpu.parallel, y = h + r back on cpu.serial."""
    rows = (
        Row("h", "MatMul", ("x",), (5, 3), "cpu.serial"),
        Row("r", "Relu", ("h",), (2, 1), "cpu.parallel"),
        Row("y", "Add", ("h", "r"), (1, 2), "cpu.serial"),
    )
    samples = (
        nodes.sample("(float[4, 16] x) => (float[4, 8] h) { h = MatMul(x, w) }", w=WEIGHTS),
        nodes.sample("(float[4, 8] h) => (float[4, 8] r) { r = Relu(h) }"),
        nodes.sample("(float[4, 8] h, float[4, 8] r) => (float[4, 8] y) { y = Add(h, r) }"),
    )
    return _plan(rows, samples, {"x": 256})


def if_that_captures() -> tuple[PlannedVariant, StagedSchedule]:
    """h = relu(x) on cpu.serial; y = h or -h on cpu.parallel, in the branches of an If."""
    rows = (
        Row("h", "Relu", ("x",), (1, 2), "cpu.serial"),
        Row("y", "If", ("c", "h"), (2, 1), "cpu.parallel"),
    )
    samples = (
        nodes.sample("(float[4] x) => (float[4] h) { h = Relu(x) }"),
        nodes.sample(
            "(bool c, float[4] h) => (float[4] y) { y = If (c) <"
            "then_branch = yes () => (float[4] a) { a = Identity(h) },"
            "else_branch = no () => (float[4] b) { b = Neg(h) }> }"
        ),
    )
    return _plan(rows, samples, {"x": 16, "c": 1})


def _plan(
    rows: tuple[Row, ...], samples: tuple[nodes.Sample, ...], inputs: dict[str, int]
) -> tuple[PlannedVariant, StagedSchedule]:
    plan = planned("small", rows, CPU, PROVENANCE, inputs=inputs, output="y").planned
    named = [replace(node, operators=(f"{node.op} {node.op}_0",)) for node in plan.nodes]
    programs = tuple(sample.stage for sample in samples)
    staged = StagedSchedule(plan.schedule, programs, (None,) * len(plan.schedule.steps))
    return replace(plan, nodes=tuple(named)), staged


X = np.linspace(-1, 1, 64, dtype=np.float32).reshape(4, 16)
H = X @ WEIGHTS
V = np.array([1, -2, 3, -4], np.float32)
PLANS = {
    "stages with weights and a residual": (matmul_relu_add(), {"x": X}, H + np.maximum(H, 0)),
    "a branch that captures a value": (
        if_that_captures(),
        {"x": V, "c": np.array(False)},
        -np.maximum(V, 0),
    ),
}


@pytest.mark.parametrize(("plan", "feeds", "expected"), PLANS.values(), ids=PLANS.keys())
def test_it_computes_what_the_stages_compute(
    plan: tuple[PlannedVariant, StagedSchedule], feeds: dict[str, Tensor], expected: Tensor
) -> None:
    proto = ir.to_proto(annotated(*plan))
    onnx.checker.check_model(proto, full_check=True)
    (found,) = ReferenceEvaluator(proto).run(None, feeds)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-6)


def test_every_operator_says_where_it_runs() -> None:
    model = annotated(*matmul_relu_add())
    assert [node.metadata_props["stagecut.device"] for node in model.graph] == [
        "cpu.serial",
        "cpu.parallel",
        "cpu.serial",
    ]
    assert dict(next(iter(model.graph)).metadata_props) == {
        "stagecut.device": "cpu.serial",
        "stagecut.stage": "0",
        "stagecut.node": "h",
        "stagecut.node_takes": "5.00 µs",
    }


def test_the_standard_fields_for_several_devices_are_filled_in() -> None:
    proto = ir.to_proto(annotated(*matmul_relu_add()))
    assert proto.ir_version >= 11
    (configuration,) = proto.configuration
    assert list(configuration.device) == ["cpu.serial", "cpu.parallel"]
    relu = proto.graph.node[1].device_configurations[0]
    assert (relu.configuration_id, relu.pipeline_stage) == (configuration.name, 1)
    assert [(spec.tensor_name, list(spec.device)) for spec in relu.sharding_spec] == [("r", [1])]


def test_the_programs_stay_as_they_are() -> None:
    plan, staged = matmul_relu_add()
    before = [ir.to_proto(program.model).SerializeToString() for program in staged.programs]
    annotated(plan, staged)
    after = [ir.to_proto(program.model).SerializeToString() for program in staged.programs]
    assert before == after
