"""Streams as files: `stagecut.stream/1`, with a certificate that can be checked.

What `stagecut partition --objective throughput` writes: the stages with their replicas, what they
come to, and the proof. Times are in seconds; the period is an exact fraction, in ticks. With
--front it writes `stagecut.stream_front/1`, which has such streams under `front`.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, NotRequired, TypeAlias, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from stagecut.compiler.formats.text_file import read_text
from stagecut.compiler.ir.amounts import MOST
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import CertificateError
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.solution import ROUNDING
from stagecut.compiler.ir.stream import (
    StreamAccount,
    StreamSchedule,
    StreamSolution,
    stream_of,
)
from stagecut.compiler.ir.stream_certificate import (
    Limit,
    StreamCertificate,
    StreamScope,
    Stretch,
)

SCHEMA = "stagecut.stream/1"
FRONT_SCHEMA = "stagecut.stream_front/1"

_Read = TypeVar("_Read")

_strict = with_config(ConfigDict(extra="ignore", strict=True, allow_inf_nan=False))


@_strict
class _Stage(TypedDict):
    device: str
    replicas: Annotated[int, Field(ge=1)]
    nodes: list[str]


_Period: TypeAlias = Annotated[str, Field(pattern=r"^\d{1,40}(/[1-9]\d{0,40})?$")]


@_strict
class _Limit(TypedDict):
    name: str
    most: Annotated[float, Field(ge=0, le=MOST)]


@_strict
class _Stretch(TypedDict):
    below: _Period
    labels: list[list[list[int]]]
    rest: list[list[int]]


@_strict
class _Certificate(TypedDict):
    period: _Period
    tick_s: Annotated[float, Field(ge=1e-100, le=MOST)]
    scope: StreamScope
    lower_bound_s: Annotated[float, Field(ge=0)]
    potentials: list[list[int]]
    limits: NotRequired[list[_Limit]]
    stretches: NotRequired[list[_Stretch]]
    found: NotRequired[_Period]


@_strict
class _Document(TypedDict):
    stages: list[_Stage]
    certificate: _Certificate


_DOCUMENT = TypeAdapter(_Document)


def stream_document(solution: StreamSolution) -> dict[str, object]:
    """For JSON."""
    account, certificate = solution.account, solution.certificate
    stages = zip(solution.stream.schedule.stages, account.stages, account.busy, strict=True)
    return {
        "objective": "throughput",
        "inputs_per_s": account.inputs_per_s if account.period_s else None,
        "period_s": account.period_s,
        "latency_s": account.latency_s,
        "energy_j": account.energy_j,
        "memory_bytes": account.memory_bytes,
        "weight_bytes": account.weight_bytes,
        "basis": account.basis,
        "used": dict(account.used),
        "stages": [
            {
                "device": stage.device,
                "replicas": load.replicas,
                "batch": load.batch,
                "cores": load.cores,
                "call_s": load.call_s,
                "busy": busy,
                "nodes": list(stage.nodes),
            }
            for stage, load, busy in stages
        ],
        "certificate": _certificate_document(certificate),
    }


def write_stream(solution: StreamSolution) -> str:
    """As `stagecut.stream/1`."""
    return json.dumps({"schema": SCHEMA, **stream_document(solution)}, indent=1) + "\n"


def front_document(points: Sequence[StreamSolution]) -> dict[str, object]:
    """For JSON: each point is a stream's document, with its schema."""
    streams = [{"schema": SCHEMA, **stream_document(point)} for point in points]
    return {"objective": "throughput", "front": streams}


def _certificate_document(certificate: StreamCertificate) -> dict[str, object]:
    return {
        "claim": certificate.claim,
        "scope": certificate.scope,
        "lower_bound_s": certificate.lower_bound_s,
        "gap": certificate.gap,
        "open_gap": certificate.open_gap,
        "period": str(certificate.period),
        **({} if certificate.found is None else {"found": str(certificate.found)}),
        "tick_s": certificate.tick_s,
        "limits": [{"name": limit.name, "most": limit.most} for limit in certificate.limits],
        "potentials": [list(row) for row in certificate.potentials],
        "stretches": [
            {
                "below": str(stretch.below),
                "labels": [[list(label) for label in some] for some in stretch.labels],
                "rest": [list(label) for label in stretch.rest],
            }
            for stretch in certificate.stretches
        ],
    }


@dataclass(frozen=True, slots=True)
class StoredStream:
    """A stream and its certificate as they stand in a file, none of it checked yet; `told` is all
    that stands there, figures beside them, too."""

    stream: StreamSchedule
    certificate: StreamCertificate
    told: Mapping[str, object]

    def misfit(self, account: StreamAccount) -> str:
        """The first figure beside the stream and its certificate that is not theirs; empty where
        there is none. `account` is the stream's. Figures may be left out."""
        solution = StreamSolution(self.stream, account, self.certificate)
        return next(misfits(self.told, stream_document(solution)), "")


def misfits(told: object, known: object, at: str = "") -> Iterator[str]:
    """Where `told` differs from what is known, but for rounding, and for what is left out."""
    if isinstance(told, Mapping) and isinstance(known, Mapping):
        for key in (key for key in known if key in told):
            yield from misfits(told[key], known[key], f"{at}.{key}" if at else key)
    elif isinstance(told, list) and isinstance(known, list) and len(told) == len(known):
        for index, (one, other) in enumerate(zip(told, known, strict=True)):
            yield from misfits(one, other, f"{at}[{index}]")
    elif isinstance(told, float | int) and isinstance(known, float | int):
        if not _is_close(told, known):
            yield f"{at} is {_short(told)}, and comes to {known:g}"
    elif told != known:
        yield f"{at} is {told!r}, and comes to {known!r}"


def _is_close(told: float, known: float) -> bool:
    try:
        return math.isclose(told, known, rel_tol=ROUNDING)
    except OverflowError:  # of a whole number without end
        return False


def _short(told: float) -> str:
    try:
        return f"{told:g}"
    except OverflowError:
        return "a number that no float holds"


def read_stream(path: Path, table: CostTable) -> StoredStream:
    """What is in a file; raises what `parse_stream` raises."""
    return parse_stream(text_of(path), table, path)


def text_of(path: Path) -> bytes:
    """Of a file that holds a proof; raises CertificateError where it cannot be read."""
    try:
        return read_text(path)
    except OSError as error:
        raise CertificateError(
            f"cannot be read: {error.strerror}", where=str(path), fix=_FIX
        ) from None


def parse_stream(text: bytes, table: CostTable, path: Path) -> StoredStream:
    """What the text says; `path` is where it comes from.

    Raises CertificateError where the text holds none, DeviceError or ScheduleError where the stream
    does not fit the table's machine.
    """
    document = validated(_DOCUMENT, text, path, "stream with a certificate")
    stages = [Stage(stage["device"], tuple(stage["nodes"])) for stage in document["stages"]]
    check_nodes(stages, table, path)
    stream = stream_of(table, stages, [stage["replicas"] for stage in document["stages"]])
    return StoredStream(stream, _certificate(document["certificate"]), json.loads(text))


def validated(adapter: TypeAdapter[_Read], text: bytes, path: Path, what: str) -> _Read:
    """The document in `text`, from `path`; raises CertificateError, which says where it is none of
    `what` it should be."""
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"])) or "the whole file"
        raise CertificateError(
            f"holds no {what}: {at}: {first['msg']}", where=str(path), fix=_FIX
        ) from None


_FIX = "give what `stagecut partition --objective throughput --output FILE` writes"


def _certificate(document: _Certificate) -> StreamCertificate:
    stretches = (
        Stretch(
            Fraction(stretch["below"]),
            tuple(tuple(map(tuple, some)) for some in stretch["labels"]),
            tuple(map(tuple, stretch["rest"])),
        )
        for stretch in document.get("stretches", [])
    )
    return StreamCertificate(
        Fraction(document["period"]),
        document["tick_s"],
        tuple(map(tuple, document["potentials"])),
        document["scope"],
        document["lower_bound_s"],
        tuple(Limit(limit["name"], limit["most"]) for limit in document.get("limits", [])),
        tuple(stretches),
        Fraction(document["found"]) if "found" in document else None,
    )


def check_nodes(stages: Sequence[Stage], table: CostTable, path: Path) -> None:
    """Raises CertificateError for a node, DeviceError for a device that the table does not have."""
    known: Mapping[str, object] = table.node_named
    for index, stage in enumerate(stages):
        table.machine.device(stage.device)  # raises DeviceError, which says what there is
        for node in stage.nodes:
            if node not in known:
                raise CertificateError(
                    f"the cost table has no node {node!r}",
                    where=f"{path}: stages[{index}]",
                    fix="check it with the table that it was made of",
                )
