"""Options that limit what a plan may use, or what a compile may take."""

import re
from typing import Annotated, TypeAlias

import typer

from stagecut.compiler.ir.amounts import MOST
from stagecut.compiler.ir.errors import UsageError

MaxEnergyOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--max-energy", metavar="1.5mJ", help="The most energy that a run may take, by the costs."
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
