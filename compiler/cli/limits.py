"""Options that limit what a plan may use, or what a compile may take."""

import re
from typing import Annotated, TypeAlias, TypeVar

import typer

from stagecut.compiler.ir.amounts import MOST
from stagecut.compiler.ir.errors import UsageError

MaxEnergyOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--max-energy", metavar="1.5mJ", help="The most energy that a run may take, by the costs."
    ),
]
MaxBatchOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--max-batch",
        metavar="N",
        min=1,
        max=1024,
        help="How many inputs a stream may run in one call, where that is faster; 8 unless said.",
    ),
]
EffortOption: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="quick|normal|thorough", help="How long measuring may take, to be sure of itself."
    ),
]

EngineTimeoutOption: TypeAlias = Annotated[
    float,
    typer.Option(
        "--engine-timeout",
        metavar="SECONDS",
        min=0.1,
        help="How long an engine may take to prepare or to run a part; one that takes longer is "
        "taken to hang, and is left out there.",
    ),
]

Limit = TypeVar("Limit")


def for_streams(limit: Limit, option: str, objective: str) -> Limit:
    """The limit, which must not be asked for where nothing streams; raises UsageError."""
    if limit is not None and objective != "throughput":
        raise UsageError(
            "is about streams", where=option, fix="leave it out, or add --objective throughput"
        )
    return limit


_PREFIXES = {"": 1.0, "k": 1e3, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "n": 1e-9}
_JOULES = re.compile(r"\s*([0-9.]+(?:[eE][-+]?[0-9]+)?)\s*([kmuµn]?)J\s*")


def parse_joules(text: str) -> float:
    """`1.5mJ` -> `0.0015`; raises UsageError."""
    match = _JOULES.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        joules = float(match[1]) * _PREFIXES[match[2]]
        if joules > MOST:
            raise ValueError
    except ValueError:
        raise UsageError(
            f"{text!r} is not an energy", where="--max-energy", fix="write joules, as in 1.5mJ"
        ) from None
    return joules
