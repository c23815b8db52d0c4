"""Extract the stages of a plan anew: from the same model at other shapes, or with open shapes.

A plan's stages are extracted from a program whose shapes are bound, where arithmetic on shapes has
been folded away. In the model with open shapes it is still there, and each stage takes along as
much of it as it needs:

    bound to x: [2, 3, 8]                   open
      stage 0  h = Relu(x)                    stage 0  h = Relu(x)
      stage 1  y = Reshape(h, [2, 24])        stage 1  s = Shape(x); b = Gather(s, 0)
                                                       t = Concat(b, -1); y = Reshape(h, t)

What stages hand to each other are values that have the same names in both. A value that the bound
program does not have, or that is needed before the stage that writes it has run, is computed again
in each stage that needs it.
"""

from collections.abc import Iterator, Mapping, Sequence

import onnx_ir as ir
from onnx_ir.convenience import extract

from stagecut.compiler.formats.node_ranges import copy_ranges
from stagecut.compiler.ir.device import StagedSchedule, StageProgram, dtype_name
from stagecut.compiler.ir.graph import Value
from stagecut.compiler.ir.machine import HOST
from stagecut.compiler.ir.transfers import Ports, Router, StageBorder, lay_out


def respecialise(
    staged: StagedSchedule,
    model: ir.Model,
    outputs: Sequence[str],
    memory_of: Mapping[str, str],
    router: Router,
) -> StagedSchedule:
    """The stages of `staged` as parts of `model`, in their order, on their devices, with the
    transfers that they need there.

    `model` is in normal form and of the same source as the program of the stages; it must have the
    `outputs`. A stage that is not needed is left out. States stay in their homes: one that another
    stage needs for its shape is there, too. `memory_of` says in which memory a device
    lives, `router` which way a value takes. What steps take is not known any more.
    """
    programs = _programs(staged.programs, model, outputs)
    borders = [
        StageBorder(
            stage,
            memory_of[stage.device],
            [
                Ports(
                    tuple(value.name for value in program.inputs),
                    tuple(value.name for value in program.outputs),
                )
            ],
        )
        for stage, program in zip(staged.schedule.stages, programs, strict=True)
        if program is not None
    ]
    inputs = [str(value.name) for value in model.graph.inputs]
    starts = {name: HOST for name in inputs if name not in staged.homes}
    ends = [(name, staged.homes.get(name, HOST)) for name in outputs]
    schedule = lay_out(borders, starts, ends, router)
    needed = tuple(program for program in programs if program is not None)
    return StagedSchedule(schedule, needed, (None,) * len(schedule.steps), staged.homes)


def _programs(
    programs: Sequence[StageProgram], model: ir.Model, outputs: Sequence[str]
) -> list[StageProgram | None]:
    """Each of `programs` as a part of `model`; None for one that is not needed."""
    values = {value.name: value for value in model.graph.inputs}
    values.update({out.name: out for node in model.graph for out in node.outputs if out.name})
    home = {
        output.name: index
        for index, program in enumerate(programs)
        for node in program.model.graph
        for output in node.outputs
        if output.name in values
    }
    bound = {value.name: value for program in programs for value in _bound(program)}
    wanted = dict.fromkeys(outputs)
    parts: list[StageProgram | None] = [None] * len(programs)
    for index in reversed(range(len(programs))):
        writes = [
            values[name]
            for name in wanted
            if home.get(name, len(programs) - 1) == index and values[name].producer() is not None
        ]
        if not writes:
            continue
        at_hand = [
            value
            for name, value in values.items()
            if value.producer() is None or (home.get(name, index) < index and _portable(value))
        ]
        part = _part(model, at_hand, writes)
        copy_ranges(programs[index].model.graph, part.graph)
        wanted.update(dict.fromkeys(str(value.name) for value in part.graph.inputs))
        parts[index] = StageProgram(
            programs[index].name,
            part,
            tuple(_value(value, bound) for value in part.graph.inputs),
            tuple(_value(value, bound) for value in part.graph.outputs),
        )
    return parts


def _part(model: ir.Model, at_hand: Sequence[ir.Value], writes: Sequence[ir.Value]) -> ir.Model:
    """The part of `model` that computes `writes` from values `at_hand`; its inputs are those of
    them that it reads."""
    graph = extract(model.graph, at_hand, writes)
    graph.inputs[:] = [value for value in graph.inputs if value.uses()]
    return ir.Model(graph, ir_version=model.ir_version, producer_name="stagecut")


def _portable(value: ir.Value) -> bool:
    return isinstance(value.type, ir.TensorType) and _value(value, {}).portable


def _bound(program: StageProgram) -> Iterator[Value]:
    """The values of a stage whose shapes are known numbers."""
    for node in program.model.graph:
        for output in node.outputs:
            if output.dtype is None or output.shape is None or not output.shape.is_static():
                continue
            if output.name:
                yield _value(output, {})
    yield from program.inputs
    yield from program.outputs


def _value(value: ir.Value, bound: Mapping[str, Value]) -> Value:
    """The value as the planning view has it; an open shape is taken from the bound program, where
    that has the value."""
    name = value.name or ""
    text = dtype_name(value.dtype or ir.DataType.UNDEFINED)
    if value.shape is not None and value.shape.is_static():
        return Value(name, text, value.shape.numpy())
    return Value(name, text, bound[name].shape if name in bound else ())
