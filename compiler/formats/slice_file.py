"""What one host needs of a plan: its own stages and their weights, in an archive of its own, schema
`stagecut.slice/1`.

plan: stages 0 1 2, weights of all   ->   slice of stage 1: its program, its weights

It is known by its SHA-256, holds data only, and nothing of it is executed before it is checked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from stagecut.compiler.formats import weights
from stagecut.compiler.formats.archive import Archive, ArchiveWriter
from stagecut.compiler.formats.program_member import read_model
from stagecut.compiler.ir.device import StagedSchedule, StageProgram
from stagecut.compiler.ir.errors import PlanError, StagecutError
from stagecut.compiler.ir.graph import Value
from stagecut.compiler.ir.port import Port
from stagecut.compiler.ir.schedule import Run, Schedule, Stage

SCHEMA = "stagecut.slice/1"
DOCUMENT_FILE = "slice.json"

_FIX = "let the session send it again: remove the file"


@dataclass(frozen=True, slots=True)
class SlicedStage:
    """A stage and its program, which is the member `name`.onnx."""

    name: str
    device: str
    nodes: tuple[str, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


@dataclass(frozen=True, slots=True)
class SliceDocument:
    """`devices` are the specs of those that its stages run on, by name; `outputs` is what is handed
    back of a run, in that order, and `inputs` what it is given."""

    schema: str
    stages: tuple[SlicedStage, ...]
    devices: Mapping[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice that was read; its weights stay in the file, which `archive` keeps open."""

    archive: Archive
    staged: StagedSchedule
    devices: Mapping[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


_SLICE = TypeAdapter(dict[str, SliceDocument], config=ConfigDict(extra="forbid"))


def write_slice(
    path: Path,
    staged: StagedSchedule,
    devices: Mapping[str, str],
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
) -> None:
    """Write `staged`, whose programs' weights then lie in the slice. Same slice, same bytes."""
    pairs = [*zip(staged.schedule.stages, staged.programs, strict=True)]
    stages = tuple(
        SlicedStage(
            program.name,
            stage.device,
            stage.nodes,
            tuple(map(_port, program.inputs)),
            tuple(map(_port, program.outputs)),
        )
        for stage, program in pairs
    )
    models = {f"{program.name}.onnx": program.model for _, program in pairs}
    with ArchiveWriter(path) as archive:
        for name, content in weights.write_models_into(models, archive).items():
            archive.add(name, content)
        document = {"slice": SliceDocument(SCHEMA, stages, devices, inputs, outputs)}
        archive.add(DOCUMENT_FILE, _SLICE.dump_json(document, indent=1))
        archive.seal()


def read_slice(path: Path) -> Slice:
    """What `write_slice` wrote. Raises PlanError for a file that is not whole, or not ours."""
    archive = Archive(path)
    archive.verify()
    try:
        document: dict[str, Any] = _SLICE.validate_json(archive.read(DOCUMENT_FILE))
        found: SliceDocument = document["slice"]
        if found.schema != SCHEMA:
            raise PlanError(f"has schema {found.schema!r}", where=str(path), fix=_FIX)
        stages = tuple(Stage(each.device, each.nodes) for each in found.stages)
        schedule = Schedule(stages, tuple(map(Run, range(len(stages)))))
    except (ValidationError, KeyError, StagecutError) as error:
        raise PlanError(f"is no slice of a plan: {error}", where=str(path), fix=_FIX) from error
    programs = tuple(_program(archive, stage) for stage in found.stages)
    staged = StagedSchedule(schedule, programs, (None,) * len(stages))
    return Slice(archive, staged, found.devices, found.inputs, found.outputs)


def _program(archive: Archive, stage: SlicedStage) -> StageProgram:
    model = read_model(archive, f"{stage.name}.onnx", _FIX)
    inputs, outputs = (
        tuple(Value(port.name, port.dtype, port.shape) for port in ports)
        for ports in (stage.inputs, stage.outputs)
    )
    return StageProgram(stage.name, model, inputs, outputs)


def _port(value: Value) -> Port:
    return Port(value.name, value.dtype, value.shape)
