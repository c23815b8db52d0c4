"""Small plans of several kinds, each made in a second without measuring anything."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from stagecut.compiler import Plan, compile_model
from tests.support.decoders import PlainLoop, decoder_plan, tiny_decoder
from tests.support.plan_steps import Reference, runs_of_decoder, runs_of_model
from tests.support.reference import run_reference
from tests.support.resealed import resealed
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
    yield from _plans_of_model(folder)
    yield _decoder(folder / "decoder.plan")


def _plans_of_model(folder: Path) -> Iterator[tuple[Path, Reference]]:
    proto = model()
    feeds = {"x": np.linspace(-1, 1, 2 * _WIDTH, dtype=np.float32).reshape(2, _WIDTH)}
    runs = runs_of_model(feeds, _values(proto, feeds))
    planned = functools.partial(compile_model, proto, feeds=feeds, granularity="op")
    for name, devices in KINDS.items():
        path = folder / f"{name}.plan"
        planned(devices=devices, costs=scattered(3)).save(path)
        yield path, Reference(Plan.load(path), runs)
    path = folder / "stream.plan"
    stream = planned(devices=KINDS["two memories"], costs=scattered(3), objective="throughput")
    yield path, Reference(Plan.load(resealed(path, stream.archive, {}, _say_more)), runs)


def _decoder(path: Path) -> tuple[Path, Reference]:
    proto = tiny_decoder()
    decoder_plan(proto).save(path)
    prompt = [3, 1, 4, 1, 5]
    return path, Reference(
        Plan.load(path), runs_of_decoder(prompt, PlainLoop(proto).greedy(prompt, 6))
    )


def _say_more(document: dict[str, Any]) -> None:
    """What a plan says where times were measured, and nodes were given fewer bits."""
    [variant] = document["entries"]["main"]["variants"]
    point = {"period_s": 0.5, "latency_s": 1.0, "stages": "1 x cpu.serial", "basis": "measured"}
    variant["stream"] |= {"busy": [0.5], "front": [point], "tried": ["2 inputs in a call: slower"]}
    variant["circumstances"] = [{"what": "gate", "measured_at_s": 1e9, "foreign_load": 0.25}]
    errors = {"predicted": 0.002, "measured": 0.003}
    variant["precision"] = {
        "tolerance": 0.01,
        "samples": 2,
        "runs": 5,
        "held_out": 2,
        "attempts": [{"limit": 1e-4, **errors}, {"limit": 1e-5, **errors}],
        "contenders": [{"name": "optimum", "kept": True, **errors}],
    }


def _values(proto: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every value of the model, by name."""
    whole = onnx.ModelProto.FromString(proto.SerializeToString())
    names = [name for node in whole.graph.node for name in node.output]
    del whole.graph.output[:]
    whole.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return {**feeds, **dict(zip(names, run_reference(whole, feeds), strict=True))}
