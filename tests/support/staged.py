"""A small model and a schedule, both as text, made ready for an executor."""

from pathlib import Path
from tempfile import TemporaryDirectory

import onnx

from stagecut.backends.null import create
from stagecut.backends.null.device import NullBackend
from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.device import StagedSchedule
from stagecut.compiler.ir.schedule import Schedule
from stagecut.passes.stage.extract import Extractor
from stagecut.passes.stage.stage import stage_programs


def staged(model: str, schedule: str) -> StagedSchedule:
    """`model` in ONNX's text syntax, with weights of less than 1 KiB; a node is named in brackets:

    g (float[2] x) => (float[2] y) { [a] u = Relu(x)  [b] y = Tanh(u) }
    """
    proto = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": 21]>\n{model}')
    program = load_program(proto)
    with TemporaryDirectory() as folder:
        [weights] = write_weights([program.model], Path(folder))
    parsed = Schedule.parse(schedule)
    programs = stage_programs(graph_of(program), parsed, Extractor(program, weights))
    return StagedSchedule(parsed, programs, (None,) * len(parsed.steps))


def device(name: str, memory: str = "host", basis: str = "measured") -> NullBackend:
    """One that computes with ONNX's reference evaluator."""
    return create(name, {"memory": memory, "basis": basis})
