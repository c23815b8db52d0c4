"""Options that limit what a plan may use, or what a compile may take."""

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, TypeAlias, TypeVar

import typer

from stagecut.compiler.ir.amounts import MOST
from stagecut.compiler.ir.errors import UsageError

if TYPE_CHECKING:
    from stagecut.compiler.ir.stream_certificate import Limit

ToleranceOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="PART|cosine=C",
        help="Admit devices of lower precision, and ship no plan whose outputs are off by more "
        "than this part of their largest number, on the samples and on further inputs, or by more "
        "than this relative rms error on held-out samples; cosine=0.999 is the error that leaves "
        "outputs at that cosine to those in full precision, or at a larger one.",
    ),
]
MaxEnergyOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--max-energy",
        metavar="1.5mJ",
        help="The most energy that a run, or an input of a stream, may take, by the costs.",
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
MaxLatencyOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--max-latency",
        metavar="50ms",
        help="For streams: the most that an input may take from end to end, by the costs.",
    ),
]
MaxMemoryOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--max-memory",
        metavar="2GiB",
        help="For streams: the most bytes of weights, and of what is passed between stages, that "
        "the host's memory may hold; over several hosts, of weights, in each.",
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

Asked = TypeVar("Asked")


def for_streams(limit: Asked, option: str, objective: str) -> Asked:
    """The limit, which must not be asked for where nothing streams; raises UsageError."""
    if limit is not None and objective != "throughput":
        raise UsageError(
            "is about streams", where=option, fix="leave it out, or add --objective throughput"
        )
    return limit


#: What a tolerance may be said by, beside an error.
_COSINE = "cosine"


def parse_tolerance(text: str | None, *, of_metric: bool = False) -> float | None:
    """`0.05` -> `0.05`; `cosine=0.999` -> `0.0447`, the largest relative rms error e with which no
    output is at a smaller cosine: that of an error that stands upright on what comes of it,
    sqrt(1 - e²). Raises UsageError."""
    if text is None:
        return None
    name, equals, number = text.partition("=")
    try:
        amount = float(number if equals else text)
        if equals:
            if of_metric or name.strip() != _COSINE or not 0 < amount <= 1:
                raise ValueError
            return math.sqrt(1 - amount**2)
        if not 0 <= amount <= MOST:
            raise ValueError
    except ValueError:
        raise UsageError(
            f"{text!r} is no tolerance{' of a metric' if of_metric else ''}",
            where="--tolerance",
            fix="write a number that is not negative, as in 0.05"
            + ("" if of_metric else ", or a cosine up to 1, as in cosine=0.999"),
        ) from None
    return amount


_PREFIXES = {"": 1.0, "k": 1e3, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "n": 1e-9}
_JOULES = re.compile(r"\s*([0-9.]+(?:[eE][-+]?[0-9]+)?)\s*([kmuµn]?)J\s*")
_SECONDS = re.compile(r"\s*([0-9.]+(?:[eE][-+]?[0-9]+)?)\s*([muµn]?)s\s*")
_MULTIPLES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12} | {
    f"{prefix}i": 1024.0 ** (at + 1) for at, prefix in enumerate("KMGT")
}
_BYTES = re.compile(r"\s*([0-9.]+(?:[eE][-+]?[0-9]+)?)\s*(|k|[MGT]|[KMGT]i)B\s*")


def parse_joules(text: str) -> float:
    """`1.5mJ` -> `0.0015`; raises UsageError."""
    return _amount(text, _JOULES, _PREFIXES, "an energy", "--max-energy", "joules, as in 1.5mJ")


def stream_limits(
    max_latency: str | None, max_memory: str | None, max_energy: str | None
) -> "tuple[Limit, ...]":
    """`50ms`, `2GiB` and `1.5mJ`, where they are given; raises UsageError."""
    from stagecut.compiler.ir.stream_certificate import limits_of_stream

    return limits_of_stream(*parse_limits(max_latency, max_memory, max_energy))


def parse_limits(
    max_latency: str | None, max_memory: str | None, max_energy: str | None
) -> tuple[float | None, float | None, float | None]:
    """The same, each by itself."""
    return (
        None if max_latency is None else parse_seconds(max_latency),
        None if max_memory is None else parse_bytes(max_memory),
        None if max_energy is None else parse_joules(max_energy),
    )


def parse_seconds(text: str) -> float:
    """`50ms` -> `0.05`; raises UsageError."""
    return _amount(text, _SECONDS, _PREFIXES, "a time", "--max-latency", "seconds, as in 50ms")


def parse_bytes(text: str) -> float:
    """`2GiB` -> `2147483648.0`; raises UsageError."""
    return _amount(text, _BYTES, _MULTIPLES, "a size", "--max-memory", "bytes, as in 2GiB")


def _amount(
    text: str,
    pattern: re.Pattern[str],
    units: Mapping[str, float],
    kind: str,
    option: str,
    example: str,
) -> float:
    match = pattern.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        amount = float(match[1]) * units[match[2]]
        if amount > MOST:
            raise ValueError
    except ValueError:
        raise UsageError(f"{text!r} is not {kind}", where=option, fix=f"write {example}") from None
    return amount
