"""Small plans of several kinds, each made in a second without measuring anything."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from stagecut.compiler import Plan, compile_model
from tests.support.plan_steps import Reference
from tests.support.reference import run_reference
from tests.support.scattered import scattered

_WIDTH = 24

#: Name -> the devices on which its nodes are scattered.
KINDS = {
    "one device": ["cpu.serial"],
    "two memories": ["cpu.serial", "pim.hbm"],
    "two engines": ["cpu.serial", "openvino.f32.serial"],
}


def model() -> onnx.ModelProto:
    """Two layers with a branch between them, open in the first dimension."""
    weights = np.random.default_rng(0).standard_normal((2, _WIDTH, _WIDTH)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], "first"),
        helper.make_node("Relu", ["a"], ["h"], "cut"),
        helper.make_node("MatMul", ["h", "v"], ["b"], "second"),
        helper.make_node("Add", ["b", "h"], ["s"], "add"),
        helper.make_node("Softmax", ["s"], ["y"], "last", axis=-1),
    ]
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "layers",
        [tensor("x", TensorProto.FLOAT, ["rows", _WIDTH])],
        [tensor(name, TensorProto.FLOAT, ["rows", _WIDTH]) for name in ("y", "h")],
        [numpy_helper.from_array(array, name) for name, array in zip("wv", weights, strict=True)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def small_plans(folder: Path) -> Iterator[tuple[Path, Reference]]:
    """Each as a file in `folder`, with what its model computes."""
    proto = model()
    feeds = {"x": np.linspace(-1, 1, 2 * _WIDTH, dtype=np.float32).reshape(2, _WIDTH)}
    values = _values(proto, feeds)
    for name, devices in KINDS.items():
        plan = compile_model(
            proto, feeds=feeds, devices=devices, costs=scattered(3), granularity="op"
        )
        path = folder / f"{name}.plan"
        plan.save(path)
        yield path, Reference(Plan.load(path), feeds, values)


def _values(proto: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every value of the model, by name."""
    whole = onnx.ModelProto.FromString(proto.SerializeToString())
    names = [name for node in whole.graph.node for name in node.output]
    del whole.graph.output[:]
    whole.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return {**feeds, **dict(zip(names, run_reference(whole, feeds), strict=True))}
