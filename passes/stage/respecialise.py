"""The stages of a plan, cut out of the same model at other shapes, or at any.

A plan's stages are cut out of a program whose shapes are bound, where arithmetic on shapes has been
folded away. Cut out of the model before that, each stage takes along what it needs of it:

    bound to x: [2, 3, 8]                   open
      stage 0  h = Relu(x)                    stage 0  h = Relu(x)
      stage 1  y = Reshape(h, [2, 24])        stage 1  s = Shape(x); b = Gather(s, 0)
                                                       t = Concat(b, -1); y = Reshape(h, t)

Stages meet at values that have the same names in both. What has no name in the bound program, or is
needed before its own stage has run, is computed where it is needed, which is always right.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx_ir as ir
from onnx_ir.convenience import extract

from stagecut.compiler.ir.device import StageProgram
from stagecut.compiler.ir.graph import Value
from stagecut.compiler.ir.schedule import Stage


def restage(stages: Sequence[Stage], model: ir.Model, outputs: Sequence[str]) -> tuple[Stage, ...]:
    """`stages` as parts of `model`, in their order, on their devices.

    `model` is in normal form and of the same source as the program of the stages; it must have the
    `outputs`. A stage that is not needed is left out. What stages take is no longer known.
    """
    known = {value.name: value for value in model.graph.inputs}
    known.update({out.name: out for node in model.graph for out in node.outputs if out.name})
    home = {
        output.name: index
        for index, stage in enumerate(stages)
        for node in stage.program.model.graph
        for output in node.outputs
        if output.name in known
    }
    bound = {value.name: value for stage in stages for value in _bound(stage.program)}
    wanted = dict.fromkeys(outputs)
    found: list[Stage] = []
    for index in reversed(range(len(stages))):
        writes = [
            known[name]
            for name in wanted
            if home.get(name, len(stages) - 1) == index and known[name].producer() is not None
        ]
        if not writes:
            continue
        at_hand = [
            value
            for name, value in known.items()
            if value.producer() is None or (home.get(name, index) < index and _portable(value))
        ]
        part = _part(model, at_hand, writes)
        wanted.update(dict.fromkeys(str(value.name) for value in part.graph.inputs))
        found.append(_stage(stages[index], part, bound))
    return tuple(reversed(found))


def _part(model: ir.Model, at_hand: Sequence[ir.Value], writes: Sequence[ir.Value]) -> ir.Model:
    """What computes `writes` from as much of what is `at_hand` as it needs."""
    graph = extract(model.graph, at_hand, writes)
    graph.inputs[:] = [value for value in graph.inputs if value.uses()]
    return ir.Model(graph, ir_version=model.ir_version, producer_name="stagecut")


def _portable(value: ir.Value) -> bool:
    return isinstance(value.type, ir.TensorType) and _value(value, {}).portable


def _bound(program: StageProgram) -> Iterator[Value]:
    """The values of a bound stage as far as their shapes are known."""
    for node in program.model.graph:
        for output in node.outputs:
            if output.name and output.shape is not None and output.shape.is_static():
                yield _value(output, {})
    yield from program.inputs
    yield from program.outputs


def _stage(stage: Stage, part: ir.Model, bound: Mapping[str, Value]) -> Stage:
    program = StageProgram(
        stage.program.name,
        part,
        tuple(_value(value, bound) for value in part.graph.inputs),
        tuple(_value(value, bound) for value in part.graph.outputs),
    )
    return replace(stage, program=program, modelled_s=None)


def _value(value: ir.Value, bound: Mapping[str, Value]) -> Value:
    """Open sizes are those of the bound program, where it has the value."""
    name = value.name or ""
    dtype = value.dtype or ir.DataType.UNDEFINED
    text = "string" if dtype == ir.DataType.STRING else np.dtype(dtype.numpy()).name
    if value.shape is not None and value.shape.is_static():
        return Value(name, text, value.shape.numpy())
    return Value(name, text, bound[name].shape if name in bound else ())
