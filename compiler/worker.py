"""The process in which somebody else's compile, or profile, runs: see compiler/isolated.py."""

import socket
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NoReturn, cast

from stagecut.compiler.arguments import ProfileObjective
from stagecut.compiler.context import Settings
from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.formats.machine_json import read_machine
from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.frontends.load import import_model
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.isolated import (
    NOTES,
    OUTCOME,
    OUTCOME_FILE,
    PLAN_FILE,
    PROFILE,
    PROFILE_FILE,
    REQUEST,
    REQUEST_FILE,
    Outcome,
    Request,
    read_feed,
)
from stagecut.compiler.kept_profile import KeptProfile
from stagecut.compiler.measure.supervisor import be_child
from stagecut.compiler.pipeline import compile_model
from stagecut.compiler.profiling import profile_model
from stagecut.passes.cluster.cluster import Granularity


def main(folder: str, end: int, parent: int) -> NoReturn:
    """`end` is the number of this side of the connection to the process `parent`."""
    be_child(socket.socket(fileno=end), parent, partial(answer, Path(folder)))


def answer(folder: Path) -> int:
    """Answer the request in `folder`; 0 with a plan or a profile, 1 with an error."""
    request = REQUEST.validate_json((folder / REQUEST_FILE).read_bytes())
    do = {"compile": _compile, "profile": _profile}[request.task]
    try:
        outcome = Outcome(do(folder, request))
    except StagecutError as error:
        outcome = Outcome({}, (type(error).__name__, error.problem, error.where, error.fix))
    (folder / OUTCOME_FILE).write_bytes(OUTCOME.dump_json(outcome))
    return 0 if outcome.error is None else 1


def _compile(folder: Path, request: Request) -> Mapping[str, float]:
    """Writes the plan, and returns where the time went."""
    plan = compile_model(
        _model(request),
        feeds=_feeds(folder, request),
        devices=request.devices,
        shapes=request.shapes,
        objective=request.objective,
        pins=request.pins,
        forbids=request.forbids,
        granularity=cast("Granularity", request.granularity),
        tolerance=request.tolerance,
        precision=request.precision,
        calibrate=request.calibrate,
        metric=request.metric,
        data=request.data,
        reference=request.reference,
        max_energy_j=request.max_energy_j,
        max_batch=request.max_batch,
        max_latency_s=request.max_latency_s,
        max_memory_bytes=request.max_memory_bytes,
        costs={name: read_costs(text) for name, text in request.costs.items()} or None,
        machine=None if request.machine is None else read_machine(request.machine),
        decoding=request.decoding,
        settings=_settings(folder, request),
    )
    plan.save(folder / PLAN_FILE)
    return plan.phases


def _profile(folder: Path, request: Request) -> Mapping[str, float]:
    """Writes the profile."""
    profiled = profile_model(
        _model(request),
        feeds=_feeds(folder, request),
        devices=request.devices,
        shapes=request.shapes[0],
        granularity=cast("Granularity", request.granularity),
        objective=cast("ProfileObjective", request.objective),
        decoding=request.decoding,
        settings=_settings(folder, request),
    )
    (folder / PROFILE_FILE).write_bytes(PROFILE.dump_json(KeptProfile.of(profiled)))
    return {}


def _model(request: Request) -> str | Imported:
    """The path or name; read already where its file does not hold all that is to be said of it."""
    if not request.left_out:
        return request.model
    imported, _ = import_model(request.model)
    return replace(imported, left_out=request.left_out)


def _feeds(folder: Path, request: Request) -> Feeds | None:
    if request.feeds is None:
        return None
    return {name: read_feed(folder, at) for at, name in enumerate(request.feeds)}


def _settings(folder: Path, request: Request) -> Settings:
    return Settings(
        cache=request.cache,
        dump=request.dump,
        scratch=folder,
        notes=folder / NOTES,
        effort=request.effort,
        engine_timeout_s=request.engine_timeout_s,
    )
