"""Streams over hosts as files: `stagecut.hosts_stream/1`, whose bound can be checked.

What `stagecut partition --objective throughput` writes of a table with several hosts: the stages
with their places, what they come to, and what is proved. Times are in seconds.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NotRequired

from pydantic import ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict

from stagecut.compiler.formats.stream_json import check_nodes, misfits, text_of, validated
from stagecut.compiler.ir.amounts import MOST
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.hosts_stream import HostsAccount, HostsStream, Place
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.solution import Certificate
from stagecut.compiler.ir.stream_certificate import Limit, StreamScope
from stagecut.compiler.ir.transfers import scheduled

SCHEMA = "stagecut.hosts_stream/1"

_strict = with_config(ConfigDict(extra="ignore", strict=True, allow_inf_nan=False))
_Seconds = Annotated[float, Field(ge=0, le=MOST)]


@_strict
class _Place(TypedDict):
    device: str
    replicas: Annotated[int, Field(ge=1)]


@_strict
class _Stage(TypedDict):
    nodes: Annotated[list[str], Field(min_length=1)]
    places: Annotated[list[_Place], Field(min_length=1)]


@_strict
class _Limit(TypedDict):
    name: Literal["latency", "memory"]
    most: _Seconds


@_strict
class _Certificate(TypedDict):
    total: _Seconds
    lower_bound: _Seconds
    scope: StreamScope
    limits: NotRequired[list[_Limit]]


@_strict
class _Document(TypedDict):
    stages: Annotated[list[_Stage], Field(min_length=1)]
    certificate: _Certificate


_DOCUMENT = TypeAdapter(_Document)


def hosts_stream_document(
    stream: HostsStream, account: HostsAccount, certificate: Certificate, limits: Sequence[Limit]
) -> dict[str, object]:
    """For JSON."""
    return {
        "stages": [
            {
                "nodes": list(stage.nodes),
                "places": [
                    {"device": place.device, "replicas": place.replicas} for place in places
                ],
                "period_s": period_s,
                "busy": busy,
            }
            for stage, places, period_s, busy in zip(
                stream.schedule.stages, stream.places, account.stage_s, account.busy, strict=True
            )
        ],
        "loads": {load.name: load.busy for load in account.loads},
        "period_s": account.period_s,
        "latency_s": account.latency_s,
        "basis": account.basis,
        "certificate": {
            "total": certificate.total,
            "lower_bound": certificate.lower_bound,
            "gap": certificate.gap,
            "exact": certificate.exact,
            "scope": certificate.scope,
            "claim": certificate.claim,
            "limits": [{"name": limit.name, "most": limit.most} for limit in limits],
        },
    }


@dataclass(frozen=True, slots=True)
class StoredHostsStream:
    """A stream and what is said to be proved, none of it checked yet; `told` is all that stands in
    the file."""

    stream: HostsStream
    total_s: float
    bound_s: float
    scope: StreamScope
    limits: tuple[Limit, ...]
    told: Mapping[str, object]

    def misfit(self, account: HostsAccount, certificate: Certificate) -> str:
        """The first figure beside the stream that is not its own; empty where there is none.
        `account` is the stream's, and `certificate` what follows from what is proved."""
        known = hosts_stream_document(self.stream, account, certificate, self.limits)
        return next(misfits(self.told, known), "")


def read_hosts_stream(path: Path, table: CostTable) -> StoredHostsStream:
    """Raises CertificateError where the file holds none, DeviceError or ScheduleError where the
    stream does not fit the table's machine."""
    text = text_of(path)
    document = validated(_DOCUMENT, text, path, "stream over hosts")
    stages = [
        Stage(each["places"][0]["device"], tuple(each["nodes"])) for each in document["stages"]
    ]
    check_nodes(stages, table, path)
    places = [
        tuple(Place(place["device"], place["replicas"]) for place in each["places"])
        for each in document["stages"]
    ]
    proof = document["certificate"]
    return StoredHostsStream(
        HostsStream(scheduled(table, stages), tuple(places)),
        proof["total"],
        proof["lower_bound"],
        proof["scope"],
        tuple(Limit(limit["name"], limit["most"]) for limit in proof.get("limits", [])),
        json.loads(text),
    )
