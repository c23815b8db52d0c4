"""Compile or profile in a process of its own, which may crash, for a process that has to live on.

The caller imports the model, where it is no file or name, and writes down what it asks for:

    request.json, the model, sample inputs -> a fresh interpreter (compiler/worker.py)
                                            -> done.plan, or profile.json

That process, and the next one where it crashes, is watched as the command line watches its own.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from operator import index
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal

import onnx
import onnx_ir as ir
from onnx import numpy_helper
from pydantic import TypeAdapter

from stagecut.compiler.arguments import Precision, each_shape
from stagecut.compiler.context import Effort, Settings
from stagecut.compiler.formats.atomic import working_folder, writing
from stagecut.compiler.formats.plan_file import Plan
from stagecut.compiler.frontends.load import import_model, tell
from stagecut.compiler.frontends.model_folder import write_folder
from stagecut.compiler.frontends.shapes import Shapes
from stagecut.compiler.ir import errors
from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.errors import EngineError, StagecutError, StageFault
from stagecut.compiler.ir.state import DecodingOptions
from stagecut.compiler.kept_profile import KeptProfile
from stagecut.compiler.measure.supervisor import spawned, supervise
from stagecut.passes.profile.profile import Profiled

#: What a fresh interpreter runs: with the caller's own path, it finds what the caller would.
_START = """
import sys
folder, parts, ends = sys.argv[1], sys.argv[2:-2], sys.argv[-2:]
sys.path[:] = parts
from stagecut.compiler.worker import main
main(folder, *map(int, ends))
"""


@dataclass(frozen=True, slots=True)
class Request:
    """What `compile_model` is asked for, or `profile_model`, which then is the `task`; `feeds` are
    names, whose arrays lie in files beside it. `left_out` are outputs that the model no longer has
    where it was imported: onnx_ir cannot write them."""

    task: Literal["compile", "profile"]
    devices: tuple[str, ...] | None
    shapes: tuple[dict[str, tuple[int, ...]], ...]
    granularity: str
    cache: Path | None
    dump: Path | None
    effort: Effort
    engine_timeout_s: float
    model: str = ""
    feeds: tuple[str, ...] | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    objective: str = "latency"
    pins: tuple[str, ...] = ()
    forbids: tuple[str, ...] = ()
    tolerance: float | None = None
    precision: Precision | None = None
    calibrate: Path | None = None
    metric: str | None = None
    data: Path | None = None
    reference: str | None = None
    max_energy_j: float | None = None
    max_batch: int | None = None
    max_latency_s: float | None = None
    max_memory_bytes: float | None = None
    costs: Mapping[str, str] = field(default_factory=dict)
    machine: str | None = None
    decoding: DecodingOptions = field(default_factory=DecodingOptions)

    def __post_init__(self) -> None:
        """Numbers of numpy become Python's own, which JSON has."""
        for name in ("tolerance", "max_energy_j", "max_latency_s", "max_memory_bytes"):
            self._convert(name, float)
        self._convert("max_batch", index)

    def _convert(self, name: str, to: Callable[[Any], float]) -> None:
        given = getattr(self, name)
        if given is not None:
            object.__setattr__(self, name, to(given))

    @classmethod
    def of(
        cls,
        task: Literal["compile", "profile"],
        devices: Sequence[str] | None,
        shapes: Shapes | Sequence[Shapes] | None,
        granularity: str,
        settings: Settings,
    ) -> "Request":
        """What both tasks are asked for."""
        return cls(
            task,
            None if devices is None else tuple(devices),
            each_shape(shapes),
            granularity,
            settings.cache,
            settings.dump,
            settings.effort,
            settings.engine_timeout_s,
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where the time went, or the error: its kind, problem, where and fix."""

    phases: Mapping[str, float]
    error: tuple[str, str, str, str] | None = None


REQUEST = TypeAdapter(Request)
OUTCOME = TypeAdapter(Outcome)
PROFILE = TypeAdapter(KeptProfile)
REQUEST_FILE, OUTCOME_FILE, NOTES = "request.json", "outcome.json", "notes"
PLAN_FILE, PROFILE_FILE = "done.plan", "profile.json"


def compile_isolated(
    model: object, example_inputs: object, feeds: Feeds | None, request: Request, settings: Settings
) -> Plan:
    """The plan that `request`, whose model and feeds are still to be filled in, asks for.

    Raises what `compile_model` raises, and EngineError where even the reference device crashes.
    """
    folder = working_folder(settings.scratch)
    outcome = _answered(model, example_inputs, feeds, request, folder.path, settings.warn)
    return replace(Plan.load(folder.path / PLAN_FILE, folder=folder), phases=outcome.phases)


def profile_isolated(
    model: object, example_inputs: object, feeds: Feeds | None, request: Request, settings: Settings
) -> Profiled:
    """As `compile_isolated`, of `profile_model`."""
    with working_folder(settings.scratch) as place:
        _answered(model, example_inputs, feeds, request, place, settings.warn)
        kept = PROFILE.validate_json((place / PROFILE_FILE).read_bytes())
    return kept.profiled


def _answered(
    model: object,
    example_inputs: object,
    feeds: Feeds | None,
    request: Request,
    place: Path,
    warn: Callable[[str], None],
) -> Outcome:
    """The outcome of the request, with what it asks for in files beside it; raises its error."""
    text = place / REQUEST_FILE
    with writing(text):
        handed = _handed_over(model, example_inputs, feeds, request, place, warn)
        text.write_bytes(REQUEST.dump_json(handed))
        (place / NOTES).mkdir()
    command = [sys.executable, "-c", _START, str(place), *sys.path]
    supervise(place / NOTES, partial(spawned, command))
    outcome = OUTCOME.validate_json((place / OUTCOME_FILE).read_bytes())
    if outcome.error is not None:
        raise _error(*outcome.error)
    return outcome


def read_feed(folder: Path, number: int) -> Tensor:
    """The array of the feed with this number."""
    array: Tensor = numpy_helper.to_array(onnx.load_tensor(_feed_file(folder, number)))
    return array


def _handed_over(
    model: object,
    example_inputs: object,
    feeds: Feeds | None,
    request: Request,
    folder: Path,
    warn: Callable[[str], None],
) -> Request:
    """The request with its model and feeds, which are written to `folder` where they are none of a
    file or a name."""
    if isinstance(model, str | PathLike) and example_inputs is None:
        text = fspath(model)
        left_out: Mapping[str, str] = {}
    else:
        imported, given = import_model(model, example_inputs=example_inputs, feeds=feeds)
        tell(imported, model, warn)
        feeds = given if given is not None else imported.feeds or None
        path = folder / _file_name(imported.name)
        if imported.encoder is not None:
            write_folder(imported, path)
        else:
            path = path.with_name(f"{path.name}.onnx")
            ir.save(imported.model, path, external_data=f"{path.name}.data")
        text = str(path)
        left_out = imported.left_out
    for number, array in enumerate((feeds or {}).values()):
        strings = array.dtype.kind in "US"
        proto = numpy_helper.from_array(array.astype(object) if strings else array)
        onnx.save_tensor(proto, _feed_file(folder, number))
    names = None if feeds is None else tuple(feeds)
    return replace(request, model=text, feeds=names, left_out=left_out)


def _file_name(name: str) -> str:
    """The plan names the model by it."""
    plain = "".join(letter if letter.isalnum() or letter in "-_. " else "-" for letter in name)
    return plain.strip(".")[:100] or "model"


def _feed_file(folder: Path, number: int) -> Path:
    return folder / f"feed-{number}.pb"


def _error(kind: str, problem: str, where: str, fix: str) -> StagecutError:
    found = getattr(errors, kind, EngineError)
    if issubclass(found, StageFault):  # it says more than the text of one
        found = EngineError
    error: StagecutError = found(problem, where=where, fix=fix)
    return error
