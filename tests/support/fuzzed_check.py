"""Compile a fuzzed model for random devices, run it, and compare it with ONNX Runtime."""

import random
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from stagecut import backends
from stagecut.compiler import compile_model
from stagecut.compiler.ir.costs import CostModel
from stagecut.compiler.ir.errors import StagecutError
from stagecut.passes.profile.synthetic import unmeasured
from stagecut.runtime import Session
from tests.support.fuzzed_grower import Fuzzed, run
from tests.support.fuzzed_onnx import fuzzed
from tests.support.scattered import scattered

#: Sets of devices; of those that are not here the rest is taken. The null device, which computes
#: with ONNX's reference evaluator in a memory of its own, is given operators that this has right.
DEVICES = (
    ("cpu.serial",),
    ("cpu.serial", "cpu.parallel"),
    ("cpu.serial", "openvino.f32"),
    ("cpu.serial", "openvino.f32", "cpu.parallel"),
    ("cpu.serial", "null:memory=far,operators=Identity+Neg+Transpose+Concat+Relu"),
    ("cpu.serial", "openvino.f32", "null:memory=far,operators=Identity+Neg+Transpose+Concat"),
)

Nodes: TypeAlias = onnx.GraphProto | onnx.FunctionProto

#: The most by which the floats of a plan that ships may be off, as a part of the largest one
#: (passes/gate/limits.py), in models that compute in 16 bits, too; and what roundings explain.
_LIMIT, _NARROW_LIMIT = 1e-3, 0.05
_EXPLAINED, _NARROW_EXPLAINED = 1e-4, 2e-2


def check(
    seed: int, *, caught: bool = True, ours: Callable[[], None] = lambda: None
) -> tuple[str, str]:
    """A verdict on this seed, and what there is to say of it.

    `ours` is called once ONNX Runtime has run the model: what dies before has died of that.
    """
    model = fuzzed(seed)
    expected = run(model.proto, model.feeds)
    if expected is None:
        return "skipped", "ONNX Runtime does not run it"
    if run(model.proto, model.feeds, optimised=True) is None:
        return "unstable", "ONNX Runtime does not run it as it does by itself"
    ours()
    try:
        return _compared(model, expected)
    except StagecutError as error:
        if not caught:
            raise
        return "refused", str(error).replace("\n", " ")[:400]
    except Exception:
        if not caught:
            raise
        return "traceback", traceback.format_exc()[-600:]


def _compared(model: Fuzzed, expected: Sequence[Any]) -> tuple[str, str]:
    draw = random.Random(model.seed)  # noqa: S311  # nothing secret
    here = {*backends.real_devices(), "null"}
    devices = [name for name in draw.choice(DEVICES) if name.partition(":")[0] in here]
    options: dict[str, Any] = {
        "devices": devices,
        "feeds": dict(model.feeds),
        "granularity": draw.choice(("op", "cluster")),
    }
    costs: CostModel = unmeasured if draw.random() < 0.2 else scattered(model.seed)
    plan = compile_model(model.proto, costs=costs, **options)
    session = Session(plan)
    verdict = _verdict(model, session, model.feeds, expected)
    if verdict or model.others is None:
        return verdict or ("right", "")
    expected = run(model.proto, model.others)
    if expected is None:
        return "right", ""
    return _verdict(model, session, model.others, expected) or ("right", "")


def _verdict(
    model: Fuzzed, session: Session, feeds: Any, expected: Sequence[Any]
) -> tuple[str, str] | None:
    found = session.run(None, dict(feeds))
    told = _differences(model, found, expected, _tolerance(model))
    if not told:
        return None
    if _is_unstable(model, feeds, expected) or _is_as_defined(model, feeds, found):
        return "unstable", ""
    limit = _NARROW_LIMIT if _is_narrow(model.proto) else _LIMIT
    beyond = _differences(model, found, expected, limit)
    shape = "" if feeds is model.feeds else " at another size"
    outcome = "wrong" if beyond else "off"
    return f"{outcome}{shape}", f"{(beyond or told)[:300]} on {session.schedule.stages}"[:600]


def _differences(
    model: Fuzzed, found: Sequence[Any], expected: Sequence[Any], tolerance: float
) -> str:
    names = [port.name for port in model.proto.graph.output]
    return "; ".join(
        f"{name}: {told}"
        for name, mine, theirs in zip(names, found, expected, strict=True)
        if (told := difference(mine, theirs, tolerance))
    )


def _tolerance(model: Fuzzed) -> float:
    return _NARROW_EXPLAINED if _is_narrow(model.proto) else _EXPLAINED


def _is_narrow(proto: onnx.ModelProto) -> bool:
    """Whether it computes in float16: such a value is fed, a weight, or what a Cast makes."""
    float16 = onnx.TensorProto.FLOAT16
    fed = [port.type.tensor_type.elem_type for port in proto.graph.input]
    return float16 in fed or any(_of_type(graph, float16) for graph in _graphs(proto))


def _graphs(proto: onnx.ModelProto) -> Iterator[Nodes]:
    """The main one, the bodies in it, and functions."""
    waiting: list[Nodes] = [proto.graph, *proto.functions]
    while waiting:
        graph = waiting.pop()
        yield graph
        waiting += [each.g for node in graph.node for each in node.attribute if each.HasField("g")]


def _of_type(graph: Nodes, dtype: int) -> bool:
    weights = graph.initializer if isinstance(graph, onnx.GraphProto) else ()
    attributes = [each for node in graph.node for each in node.attribute]
    tensors = [*weights, *(each.t for each in attributes)]
    return any(each.data_type == dtype for each in tensors) or any(
        each.name == "to" and each.i == dtype for each in attributes
    )


def _is_unstable(model: Fuzzed, feeds: Any, expected: Sequence[Any]) -> bool:
    """Whether ONNX Runtime itself answers otherwise where it optimises, or where inputs are off by
    the last digits."""
    tolerance = _tolerance(model)
    others = [run(model.proto, feeds, optimised=True)]
    for factor in (1 + 3e-7, 1 - 3e-7):
        moved = {
            name: np.asarray(array * factor, array.dtype) if array.dtype.kind == "f" else array
            for name, array in feeds.items()
        }
        others.append(run(model.proto, moved))
    return any(
        difference(mine, theirs, tolerance)
        for other in others
        if other is not None
        for mine, theirs in zip(other, expected, strict=True)
    )


def _is_as_defined(model: Fuzzed, feeds: Any, found: Sequence[Any]) -> bool:
    """Whether ONNX's reference agrees with the plan, and ONNX Runtime answers otherwise than both:
    it computes float16 in float32, rounded where it happens to store it."""
    try:
        defined = ReferenceEvaluator(model.proto).run(None, dict(feeds))
    except Exception:  # it lacks some operators, and errors of many kinds
        return False
    tolerance = _tolerance(model)
    return not any(difference(*pair, tolerance) for pair in zip(found, defined, strict=True))


def difference(mine: Any, theirs: Any, tolerance: float) -> str:
    """What differs; empty where nothing does that matters."""
    if mine.dtype != theirs.dtype:
        return f"{mine.dtype} for {theirs.dtype}"
    if mine.shape != theirs.shape:
        return f"{mine.shape} for {theirs.shape}"
    if mine.dtype.kind != "f":
        return (
            "" if np.array_equal(mine, theirs) else f"{mine.ravel()[:4]} for {theirs.ravel()[:4]}"
        )
    a, b = mine.astype(np.float64), theirs.astype(np.float64)
    finite = np.isfinite(b)
    if not np.array_equal(finite, np.isfinite(a)) or not np.array_equal(
        a[~finite], b[~finite], equal_nan=True
    ):
        return f"{mine.ravel()[:4]} for {theirs.ravel()[:4]} (not finite)"
    largest = max(1.0, float(np.abs(b[finite]).max(initial=0.0)))
    off = float(np.abs(a - b)[finite].max(initial=0.0)) / largest
    return f"off by {off:.2g} of {largest:.3g}" if off > tolerance else ""
