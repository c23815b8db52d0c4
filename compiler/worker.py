"""The process in which somebody else's compile runs: see compiler/isolated.py."""

import socket
from functools import partial
from pathlib import Path
from typing import NoReturn, cast

from stagecut.compiler.context import Settings
from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.formats.plan_file import Plan
from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.isolated import (
    NOTES,
    OUTCOME,
    OUTCOME_FILE,
    PLAN_FILE,
    REQUEST,
    REQUEST_FILE,
    Outcome,
    Request,
    read_feed,
)
from stagecut.compiler.measure.supervisor import be_child
from stagecut.compiler.pipeline import compile_model
from stagecut.passes.cluster.cluster import Granularity


def main(folder: str, end: int, parent: int) -> NoReturn:
    """`end` is the number of this side of the connection to the process `parent`."""
    be_child(socket.socket(fileno=end), parent, partial(answer, Path(folder)))


def answer(folder: Path) -> int:
    """Answer the request in `folder`; 0 with a plan, 1 with an error."""
    request = REQUEST.validate_json((folder / REQUEST_FILE).read_bytes())
    try:
        plan = _plan(folder, request)
        plan.save(folder / PLAN_FILE)
        outcome = Outcome(dict(plan.phases))
    except StagecutError as error:
        outcome = Outcome({}, (type(error).__name__, error.problem, error.where, error.fix))
    (folder / OUTCOME_FILE).write_bytes(OUTCOME.dump_json(outcome))
    return 0 if outcome.error is None else 1


def _plan(folder: Path, request: Request) -> Plan:
    feeds = request.feeds
    return compile_model(
        request.model,
        feeds=None if feeds is None else {n: read_feed(folder, at) for at, n in enumerate(feeds)},
        devices=request.devices,
        shapes=request.shapes,
        objective=request.objective,
        pins=request.pins,
        forbids=request.forbids,
        granularity=cast("Granularity", request.granularity),
        tolerance=request.tolerance,
        max_energy_j=request.max_energy_j,
        max_batch=request.max_batch,
        costs=None if request.costs is None else read_costs(request.costs),
        settings=Settings(
            cache=request.cache,
            dump=request.dump,
            scratch=folder,
            notes=folder / NOTES,
            effort=request.effort,
            engine_timeout_s=request.engine_timeout_s,
        ),
    )
