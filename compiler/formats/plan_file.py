"""The plan file: one archive with the plan document, models of stages and the costs for each shape
that was profiled, the weights once, and the whole model where it has open dimensions.
"""

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from pydantic import ConfigDict, TypeAdapter, ValidationError

from stagecut.compiler.formats import weights
from stagecut.compiler.formats.archive import Archive, ArchiveWriter
from stagecut.compiler.formats.atomic import replacing
from stagecut.compiler.formats.plan_check import check_plan
from stagecut.compiler.ir.account import StepAccount
from stagecut.compiler.ir.device import StagedSchedule, StageProgram
from stagecut.compiler.ir.errors import PlanError, ShapeError, StagecutError
from stagecut.compiler.ir.graph import Value
from stagecut.compiler.ir.plan import (
    MAIN,
    SCHEMA,
    PlanDocument,
    PlannedRun,
    PlannedVariant,
    Port,
)
from stagecut.compiler.ir.solution import Certificate
from stagecut.compiler.ir.text import shape_text

DOCUMENT_FILE = "plan.json"
#: The whole model with its open dimensions, from which stages are extracted for other shapes.
MODEL_FILE = "model.onnx"
_PLAN = TypeAdapter(PlanDocument)
#: JSON has no infinity, which the difference of an output may be: it stands there as a string.
_DOCUMENT = TypeAdapter(dict[str, Any], config=ConfigDict(ser_json_inf_nan="strings"))
_FIX = "compile the model again with this version of stagecut"


@dataclass(frozen=True, slots=True)
class StoredVariant:
    """One variant of a plan, with what the file holds for it."""

    planned: PlannedVariant
    archive: Archive
    index: int

    @property
    def costs(self) -> str:
        """The cost table that it was made from, as `stagecut.costs/1`."""
        return self.archive.read(costs_file(self.index)).decode()

    def staged(self, *, fallback: bool = False) -> StagedSchedule:
        """The schedule with its programs, or the one that stands in where an engine is missing.

        Large weights point into the plan file. Raises PlanError where there is no fallback, or
        where a program is none.
        """
        run = self.planned.fallback if fallback else self.planned.run
        if run is None:
            raise PlanError("has no fallback", where=str(self.archive.path), fix=_FIX)
        return StagedSchedule(run.schedule, self._programs(run), _modelled_s(run.account.steps))

    def open_model(self) -> ir.Model:
        """The whole model with its open dimensions; raises PlanError for a plan that has none."""
        return _read_model(self.archive, MODEL_FILE)

    def _programs(self, run: PlannedRun) -> tuple[StageProgram, ...]:
        return tuple(
            StageProgram(
                stage.program,
                _read_model(self.archive, stage.file),
                _values(stage.inputs),
                _values(stage.outputs),
            )
            for stage in run.stages
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled model. `archive` is its file; a plan that was never saved keeps it in a folder
    of its own, which goes when the plan goes. `phases` says where the time of the compile that made
    it went, in seconds; a plan that was loaded has none.
    """

    document: PlanDocument
    archive: Archive
    phases: Mapping[str, float] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, folder: object = None) -> "Plan":
        """Read and check a plan file; raises PlanError for one that is not whole or not ours."""
        archive = Archive(Path(path), folder)
        fields = _read_document(archive)
        members = fields.pop("members", None)
        fields.pop("schema")
        _check_members(archive, members)
        document = _parsed(fields, archive)
        check_plan(document, archive)
        return cls(document, archive)

    @property
    def variants(self) -> tuple[StoredVariant, ...]:
        """One for each profiled shape, in the order in which the user gave them."""
        return tuple(
            StoredVariant(planned, self.archive, index)
            for index, planned in enumerate(self.document.entries[MAIN].variants)
        )

    @property
    def first(self) -> StoredVariant:
        return self.variants[0]

    @property
    def certificate(self) -> Certificate:
        """That of the first variant."""
        return self.first.planned.certificate

    def variant(self, shapes: Mapping[str, tuple[int, ...]]) -> StoredVariant:
        """The one that was profiled with `shapes`; raises ShapeError where there is none."""
        for variant in self.variants:
            profiled = {port.name: port.shape for port in variant.planned.inputs}
            if shapes.items() <= profiled.items():  # all of them, where no shape is asked for
                return variant
        raise ShapeError(
            f"the plan was not profiled with {shape_text(shapes)}",
            where=str(self.archive.path),
            fix="it was with " + "; or ".join(each.planned.profiled for each in self.variants),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the plan to `path`, whole or not at all; what was there before is replaced."""
        with replacing(Path(path)) as temporary:
            try:  # the same bytes under a second name, where the file system can do that
                os.link(self.archive.path, temporary)
            except OSError:
                shutil.copyfile(self.archive.path, temporary)


def costs_file(variant: int) -> str:
    """The member with the cost table of a variant, by its index."""
    return f"{file_prefix(variant)}costs.json"


def file_prefix(variant: int) -> str:
    """What the names of a variant's own members begin with."""
    return f"variant-{variant}-" if variant else ""


def write_plan(
    archive: ArchiveWriter, document: PlanDocument, files: Mapping[str, bytes], folder: object
) -> Plan:
    """Add `files` and the document to an archive that holds the weights already, and seal it.

    `folder` is kept for as long as the plan is.
    """
    for name, content in files.items():
        archive.add(name, content)
    written = {
        "schema": SCHEMA,
        **_PLAN.dump_python(document, mode="json"),
        "members": dict(archive.digests),
    }
    archive.add(DOCUMENT_FILE, _DOCUMENT.dump_json(written, indent=1))
    archive.seal()
    return Plan(document, Archive(archive.path, folder))


def _read_document(archive: Archive) -> dict[str, Any]:
    """The document's JSON. The schema comes first: another one may be sealed in another way."""
    try:
        document = _DOCUMENT.validate_json(archive.read(DOCUMENT_FILE))
    except ValidationError as error:
        archive.verify()
        raise PlanError(
            "is not valid JSON", where=f"{archive.path}: {DOCUMENT_FILE}", fix=_FIX
        ) from error
    schema = document.get("schema")
    if schema != SCHEMA:
        raise PlanError(
            f"has schema {schema!r}; this version of stagecut reads {SCHEMA!r}",
            where=str(archive.path),
            fix=f"{_FIX}, or use the one that wrote it",
        )
    archive.verify()
    return document


def _check_members(archive: Archive, expected: object) -> None:
    """Raises PlanError unless the members are those that the document lists."""
    names = set(expected) if isinstance(expected, dict) else set()
    if names | {DOCUMENT_FILE} != set(archive.names()):
        raise PlanError(
            f"does not hold the members that its {DOCUMENT_FILE} names",
            where=str(archive.path),
            fix=_FIX,
        )


def _parsed(fields: Mapping[str, Any], archive: Archive) -> PlanDocument:
    """The document; raises PlanError for the first part that is not valid by itself. Whether the
    parts fit together is checked by `check_plan`."""
    where = f"{archive.path}: {DOCUMENT_FILE}"
    try:
        return _PLAN.validate_python(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        problem = f"{first['msg']}, at {'.'.join(map(str, first['loc']))}"
    except StagecutError as error:  # of a constructor
        problem = f"{error.where}: {error.problem}" if error.where else error.problem
    raise PlanError(problem, where=where, fix=_FIX)


def _modelled_s(steps: Iterable[StepAccount]) -> tuple[float | None, ...]:
    return tuple(step.time_s if step.basis == "modelled" else None for step in steps)


def _values(ports: Iterable[Port]) -> tuple[Value, ...]:
    return tuple(Value(port.name, port.dtype, port.shape) for port in ports)


def _read_model(archive: Archive, file: str) -> ir.Model:
    where = f"{archive.path}: {file}"
    try:
        model = ir.from_proto(onnx.load_model_from_string(archive.read(file)))
    except (DecodeError, ValueError, ir.serde.SerdeError) as error:
        raise PlanError("is no ONNX model", where=where, fix=_FIX) from error
    base = archive.offset(weights.FILE_NAME)
    room = archive.size(weights.FILE_NAME)
    for name, value in model.graph.initializers.items():
        tensor = value.const_value
        if not isinstance(tensor, ir.ExternalTensor):
            continue
        offset, length = tensor.offset or 0, tensor.nbytes
        if tensor.location != weights.FILE_NAME or offset < 0 or offset + length > room:
            raise PlanError(
                f"weight {name} lies outside of {weights.FILE_NAME}", where=where, fix=_FIX
            )
        value.const_value = ir.ExternalTensor(
            archive.path.name,
            base + offset,
            length,
            tensor.dtype,
            shape=ir.Shape(tensor.shape),
            name=name,
            base_dir=archive.path.resolve().parent,
        )
    return model
