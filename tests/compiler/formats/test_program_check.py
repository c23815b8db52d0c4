"""Programs that do not hang together, or are not those that the plan says."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto

from stagecut.compiler import Plan, compile_model
from stagecut.compiler.ir.errors import PlanError
from stagecut.runtime import Session
from tests.support.onnx_models import MODELS
from tests.support.resealed import resealed


@pytest.fixture(scope="module")
def plan() -> Plan:
    """%xw = MatMul(%x, w); %xwb = Add(%xw, b); %y = Relu(%xwb), as one program."""
    return compile_model(MODELS["chain"].proto(), devices=["cpu.serial"])


Change = Callable[[onnx.ModelProto], object]


def _nameless(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[1] = "nothing"


def _of_other_type(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE


def _of_other_shape(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 3


BAD: dict[str, tuple[Change, str]] = {
    "nodes that read nothing": (_nameless, "reads nothing in"),
    "nodes in another order": (lambda model: _reverse(model.graph.node), "nothing has written it"),
    "an output that nothing writes": (
        lambda model: setattr(model.graph.output[0], "name", "z"),
        "hands back z, which nothing writes",
    ),
    "another output": (
        lambda model: setattr(model.graph.output[0], "name", "xw"),
        "has other outputs than plan.json says",
    ),
    "another operator": (
        lambda model: setattr(model.graph.node[2], "op_type", "Neg"),
        "has other operators than its nodes in plan.json",
    ),
    "a version that ONNX has not reached": (
        lambda model: setattr(model.opset_import[0], "version", 2**62),
        "is of version 4611686018427387904 of ONNX",
    ),
    "no version": (
        lambda model: model.ClearField("opset_import"),
        "does not say which version of ONNX node",
    ),
    "an input of another type": (_of_other_type, "has input x as float64"),
    "an input of another shape": (_of_other_shape, "has input x as [3,4], and plan.json as [2, 4]"),
    "an input without a type": (
        lambda model: model.graph.input[0].ClearField("type"),
        "has input x without a type",
    ),
    "a weight without a type": (
        lambda model: setattr(model.graph.initializer[0], "data_type", 0),
        "without a type",
    ),
    "an attribute without a type": (
        lambda model: model.graph.node[2].attribute.add(name="axis"),
        "has attribute axis of",
    ),
}


def _reverse(nodes: "list[onnx.NodeProto]") -> None:
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes][::-1]
    del nodes[:]
    nodes.extend(kept)


@pytest.mark.parametrize(("change", "problem"), BAD.values(), ids=BAD.keys())
def test_a_program_that_is_another_is_refused(
    tmp_path: Path, plan: Plan, change: Change, problem: str
) -> None:
    model = onnx.ModelProto.FromString(plan.archive.read("stage-000.onnx"))
    change(model)
    changed = {"stage-000.onnx": model.SerializeToString()}
    path = resealed(tmp_path / "x.plan", plan.archive, changed)
    with pytest.raises(PlanError) as error:
        Session(path)
    assert problem in error.value.problem
    assert error.value.where == f"{path}: stage-000.onnx"
