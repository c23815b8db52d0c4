"""The plan file: one archive with the plan document, models of stages and the costs for each shape
that was profiled, the weights once, and the whole model where it has open dimensions.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
from onnx import numpy_helper
from pydantic import ConfigDict, TypeAdapter, ValidationError

from stagecut.compiler.formats.archive import Archive, ArchiveWriter
from stagecut.compiler.formats.atomic import replacing
from stagecut.compiler.formats.json_keys import repeated_key
from stagecut.compiler.formats.plan_check import check_plan
from stagecut.compiler.formats.plan_members import (
    DOCUMENT_FILE,
    costs_file,
    defaults_file,
    model_file,
    stream_file,
)
from stagecut.compiler.formats.program_check import check_open_model, check_programs
from stagecut.compiler.formats.program_member import read_model
from stagecut.compiler.formats.weights import FILE_NAME
from stagecut.compiler.ir.account import StepAccount
from stagecut.compiler.ir.amounts import Size
from stagecut.compiler.ir.device import Feeds, StagedSchedule, StageProgram, as_array
from stagecut.compiler.ir.errors import PlanError, ShapeError, StagecutError
from stagecut.compiler.ir.graph import Value
from stagecut.compiler.ir.plan import (
    MAIN,
    SCHEMA,
    PlanDocument,
    PlannedEntry,
    PlannedRun,
    PlannedVariant,
    WeightSizes,
)
from stagecut.compiler.ir.port import Port
from stagecut.compiler.ir.precision import SharedBudget
from stagecut.compiler.ir.solution import Certificate
from stagecut.compiler.ir.state import Decoding
from stagecut.compiler.ir.text import html_table, shape_text
from stagecut.compiler.ir.units import seconds

#: Keys that nobody knows are refused, in everything that stands below.
_ENTRIES = TypeAdapter(Mapping[str, PlannedEntry], config=ConfigDict(extra="forbid"))
#: What entries share, by its key; left out where there is none of it.
_SHARED: Mapping[str, TypeAdapter[Any]] = {
    "decoding": TypeAdapter(Mapping[str, Decoding], config=ConfigDict(extra="forbid")),
    "full_weight_bytes": TypeAdapter(Mapping[str, Size]),
    "budget": TypeAdapter(Mapping[str, SharedBudget], config=ConfigDict(extra="forbid")),
}
_MEMBERS = TypeAdapter(dict[str, str])
#: JSON has no infinity, which the difference of an output may be: it stands there as a string.
_DOCUMENT = TypeAdapter(dict[str, Any], config=ConfigDict(ser_json_inf_nan="strings"))
_FIX = "compile the model again with this version of stagecut"
#: What is wrong, by pydantic's name of it, where its own words say too little.
_SENTENCES = {
    "predicate_failed": "A number that no machine could have",
    "unexpected_keyword_argument": "A key that this version does not know",
}


@dataclass(frozen=True, slots=True)
class StoredVariant:
    """One variant of a plan, with what the file holds for it."""

    planned: PlannedVariant
    archive: Archive
    index: int
    entry: str = MAIN

    @property
    def costs(self) -> str:
        """The cost table that it was made from, as `stagecut.costs/1`."""
        return self.archive.read(costs_file(self.index, self.entry)).decode(errors="replace")

    @property
    def stream(self) -> bytes | None:
        """The fastest stream by the costs, and the proof of it, as `stagecut.stream/1`; None for a
        plan that was not made to stream."""
        name = stream_file(self.index, self.entry)
        return self.archive.read(name) if name in self.archive.names() else None

    def staged(self, *, fallback: bool = False) -> StagedSchedule:
        """The schedule with its programs, or the one that stands in where an engine is missing.

        Large weights point into the plan file. Raises PlanError where there is no fallback, or
        where a program is none.
        """
        run = self.planned.fallback if fallback else self.planned.run
        if run is None:
            raise PlanError("has no fallback", where=str(self.archive.path), fix=_FIX)
        programs = self._programs(run)
        check_programs(self.planned, run, programs, str(self.archive.path))
        return StagedSchedule(run.schedule, programs, _modelled_s(run.account.steps), run.homes)

    def open_model(self) -> ir.Model:
        """The whole model with its open dimensions; raises PlanError for a plan that has none."""
        file = model_file(self.entry)
        model = read_model(self.archive, file, _FIX)
        check_open_model(self.planned, model, f"{self.archive.path}: {file}")
        return model

    def _programs(self, run: PlannedRun) -> tuple[StageProgram, ...]:
        return tuple(
            StageProgram(
                stage.program,
                read_model(self.archive, stage.file, _FIX),
                _values(stage.inputs),
                _values(stage.outputs),
            )
            for stage in run.stages
        )


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One way into the model of a plan, with what the file holds for it."""

    name: str
    planned: PlannedEntry
    archive: Archive

    @property
    def variants(self) -> tuple[StoredVariant, ...]:
        """One for each profiled shape, in the order in which the user gave them."""
        return tuple(
            StoredVariant(planned, self.archive, index, self.name)
            for index, planned in enumerate(self.planned.variants)
        )

    @property
    def defaults(self) -> Feeds:
        """Of the inputs that need not be given, by name; raises PlanError where they are none."""
        file = defaults_file(self.name)
        if file not in self.archive.names():
            return {}
        model = read_model(self.archive, file, _FIX)
        tensors = {name: value.const_value for name, value in model.graph.initializers.items()}
        return {name: as_array(each) for name, each in tensors.items() if each is not None}


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
        if not isinstance(path, str | os.PathLike):
            raise PlanError(
                f"a {type(path).__name__} is no plan", where="PLAN", fix="give the path of its file"
            )
        archive = Archive(Path(path), folder)
        fields = _read_document(archive)
        _check_members(archive, fields.get("members"))
        document = _parsed(fields, archive.path)
        check_plan(document, archive)
        return cls(document, archive)

    def _repr_html_(self) -> str:
        """For notebooks: each variant's contenders, and which of them ships."""
        rows = [
            (
                variant.planned.profiled,
                contender.name,
                contender.stages,
                seconds(contender.median_s),
                contender.accounting,
                "ships" if contender.chosen else "",
            )
            for variant in self.variants
            for contender in variant.planned.contenders
        ]
        head = ("shapes", "contender", "stages", "a run", "how it is known", "")
        return html_table(self.archive.path.name, head, rows)

    @property
    def variants(self) -> tuple[StoredVariant, ...]:
        """Those of each entry, one for each profiled shape, in the order in which the user gave
        them."""
        names = self.document.entries
        return tuple(each for name in names for each in self.entry_named(name).variants)

    @property
    def entry(self) -> PlannedEntry:
        """The first entry: the only one of a model that has one way in."""
        return next(iter(self.document.entries.values()))

    def entry_named(self, name: str) -> StoredEntry:
        """Raises PlanError for one that the plan does not have."""
        entries = self.document.entries
        if name not in entries:
            fix = "use `stagecut generate`, or DecoderSession"
            raise PlanError(
                f"has no entry {name!r}; it has {', '.join(entries)}",
                where=str(self.archive.path),
                fix="compile a model with a cache" if self.decoding is None else fix,
            )
        return StoredEntry(name, entries[name], self.archive)

    @property
    def decoding(self) -> Decoding | None:
        """What the entries of a decoder share; None for a plan of another model."""
        return self.document.decoding

    @property
    def first(self) -> StoredVariant:
        return self.variants[0]

    @property
    def weights(self) -> WeightSizes | None:
        """How large they are, where some are in few bits; None where all are in full."""
        full_bytes = self.document.full_weight_bytes
        if full_bytes is None:
            return None
        return WeightSizes(self.archive.size(FILE_NAME), full_bytes)

    @property
    def certificate(self) -> Certificate:
        """That of the first variant."""
        return self.first.planned.certificate

    def variant(
        self, shapes: Mapping[str, tuple[int, ...]], entry: str | None = None
    ) -> StoredVariant:
        """The one that was profiled with `shapes`, of `entry` where one is asked for; raises
        ShapeError where there is none, PlanError where there is no such entry."""
        known = self.variants if entry is None else self.entry_named(entry).variants
        for variant in known:
            profiled = {port.name: port.shape for port in variant.planned.inputs}
            if shapes.items() <= profiled.items():  # all of them, where no shape is asked for
                return variant
        raise ShapeError(
            f"the plan was not profiled with {shape_text(shapes)}",
            where=str(self.archive.path),
            fix="it was with " + "; or ".join(each.planned.profiled for each in known),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the plan to `path`, whole or not at all; what was there before is replaced."""
        with replacing(Path(path)) as temporary:
            self.archive.copy_to(temporary)


def defaults_model(defaults: Feeds) -> bytes:
    """The content of `defaults_file`."""
    weights = [numpy_helper.from_array(each, name) for name, each in defaults.items()]
    graph = onnx.helper.make_graph([], "defaults", [], [], weights)
    data: bytes = onnx.helper.make_model(graph).SerializeToString(deterministic=True)
    return data


def write_plan(
    archive: ArchiveWriter, document: PlanDocument, files: Mapping[str, bytes], folder: object
) -> Plan:
    """Add `files` and the document to an archive that holds the weights already, and seal it.

    `folder` is kept for as long as the plan is. Raises PlanError for a document that could not be
    read again.
    """
    for name, content in files.items():
        archive.add(name, content)
    entries = _ENTRIES.dump_python(document.entries, mode="json")
    shared: dict[str, Any] = {}
    for key, adapter in _SHARED.items():
        if (known := getattr(document, key)) is not None:
            shared |= adapter.dump_python({key: known}, mode="json")
    written = {"schema": SCHEMA, "entries": entries, **shared, "members": dict(archive.digests)}
    archive.add(DOCUMENT_FILE, _DOCUMENT.dump_json(written, indent=1))
    archive.seal()
    _parsed(written, archive.path)
    return Plan(document, Archive(archive.path, folder))


def _read_document(archive: Archive) -> dict[str, Any]:
    """The document's JSON. The schema comes first: another one may be sealed in another way."""
    where = f"{archive.path}: {DOCUMENT_FILE}"
    text = archive.read(DOCUMENT_FILE)
    try:
        document = _DOCUMENT.validate_json(text)
    except ValidationError as error:
        archive.verify()
        raise PlanError("is not valid JSON", where=where, fix=_FIX) from error
    schema = document.get("schema")
    if schema != SCHEMA:
        raise PlanError(
            f"has schema {schema!r}; this version of stagecut reads {SCHEMA!r}",
            where=str(archive.path),
            fix=f"{_FIX}, or use the one that wrote it",
        )
    archive.verify()
    twice = repeated_key(text)
    if twice is not None:
        raise PlanError(f"has two values, at {twice}", where=where, fix=_FIX)
    return document


def _check_members(archive: Archive, listed: object) -> None:
    """Raises PlanError unless the members are those that the document lists, byte for byte."""
    try:
        expected = _MEMBERS.validate_python(listed)
    except ValidationError:
        expected = {}
    if {*expected, DOCUMENT_FILE} != {*archive.names()}:
        raise PlanError(
            f"does not hold the members that its {DOCUMENT_FILE} names",
            where=str(archive.path),
            fix=_FIX,
        )
    for name, sha256 in expected.items():
        if archive.digest(name) != sha256:
            raise PlanError(
                f"is not what {DOCUMENT_FILE} has the SHA-256 of",
                where=f"{archive.path}: {name}",
                fix=_FIX,
            )


def _parsed(fields: Mapping[str, Any], path: Path) -> PlanDocument:
    """The document; raises PlanError for the first part that is not valid by itself. Whether the
    parts fit together is checked by `check_plan`."""
    part = ["entries"]
    try:
        entries = _ENTRIES.validate_python(fields.get("entries"))
        part, shared = [], dict[str, Any]()
        for key, adapter in _SHARED.items():
            if key in fields:
                shared |= adapter.validate_python({key: fields[key]})
        return PlanDocument(entries, **shared)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        says = _SENTENCES.get(first["type"], first["msg"])
        problem = f"{says}, at {'.'.join(map(str, (*part, *first['loc'])))}"
    except StagecutError as error:  # of a constructor
        problem = f"{error.where}: {error.problem}" if error.where else error.problem
    raise PlanError(problem, where=f"{path}: {DOCUMENT_FILE}", fix=_FIX)


def _modelled_s(steps: Iterable[StepAccount]) -> tuple[float | None, ...]:
    return tuple(step.time_s if step.basis == "modelled" else None for step in steps)


def _values(ports: Iterable[Port]) -> tuple[Value, ...]:
    return tuple(Value(port.name, port.dtype, port.shape) for port in ports)
