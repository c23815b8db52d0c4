"""Streams as files."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from stagecut.compiler.formats.stream_json import front_document, read_stream, stream_document
from stagecut.compiler.ir.errors import CertificateError
from stagecut.compiler.ir.machine import Device
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.passes.partition.throughput.front import Front
from stagecut.passes.partition.throughput.throughput import Throughput
from stagecut.passes.partition.throughput.verify import verify
from tests.support.streams import stream_table

TABLE = stream_table(
    "a: cpu 4\n b(a): cpu 8, npu 3",
    Device("cpu", "host", resource="cores"),
    Device("npu", "host", batch=2),
    cores=2,
)
ONE = Device("one", "host", resource="cores")
TWO = Device("two", "host", resource="cores", cores=2)
SOLUTION = Throughput()(TABLE)


def _written(folder: Path, document: object) -> Path:
    path = folder / "stream.json"
    path.write_text(json.dumps(document))
    return path


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    path = _written(tmp_path, stream_document(SOLUTION))
    stored = read_stream(path, TABLE)
    assert stored.stream == SOLUTION.stream
    assert stored.certificate == SOLUTION.certificate
    assert stored.misfit(SOLUTION.account) == ""
    verify(TABLE, stored.certificate)


def test_a_proof_within_limits_reads_back(tmp_path: Path) -> None:
    table = stream_table("a: one 8, two 6", ONE, TWO, cores=2)
    solution = Throughput((Limit("latency", 7e-6), Limit("memory", 1e6)))(table)
    path = _written(tmp_path, stream_document(solution))
    certificate = read_stream(path, table).certificate
    assert certificate == solution.certificate
    assert [limit.name for limit in certificate.limits] == ["latency"]
    verify(table, certificate)


def test_a_gap_that_is_left_reads_back(tmp_path: Path) -> None:
    certificate = replace(SOLUTION.certificate, found=Fraction(10, 3))
    document = stream_document(replace(SOLUTION, certificate=certificate))
    assert read_stream(_written(tmp_path, document), TABLE).certificate == certificate


def test_a_front(tmp_path: Path) -> None:
    """Each of its points is a stream's document."""
    points = Front()(TABLE)
    document = front_document(points)
    assert [*document] == ["objective", "front"]
    streams: Any = document["front"]
    for point, written in zip(points, streams, strict=True):
        assert written["schema"] == "stagecut.stream/1"
        stored = read_stream(_written(tmp_path, written), TABLE)
        assert (stored.stream, stored.certificate) == (point.stream, point.certificate)


def _changed(**changes: Any) -> dict[str, Any]:
    return {**stream_document(SOLUTION), **changes}


REFUSED = {
    "nodes that are a number": (
        _changed(stages=[{"device": "cpu", "replicas": 1, "nodes": 5}]),
        "stages.0.nodes",
    ),
    "no certificate": (_changed(certificate={}), "certificate.period"),
    "no replicas": (_changed(stages=[{"device": "cpu", "nodes": ["a"]}]), "stages.0.replicas"),
    "a node of another table": (
        _changed(stages=[{"device": "cpu", "replicas": 1, "nodes": ["z"]}]),
        "no node 'z'",
    ),
    "a number in place of nodes": (
        _changed(stages=[{"device": "cpu", "replicas": 1, "nodes": 10**40}]),
        "stages.0.nodes",
    ),
    "not a document": ([], "the whole file"),
}


@pytest.mark.parametrize(("document", "problem"), REFUSED.values(), ids=REFUSED.keys())
def test_other_files(document: object, problem: str, tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=problem):
        read_stream(_written(tmp_path, document), TABLE)


def test_a_figure_that_no_float_holds(tmp_path: Path) -> None:
    stored = read_stream(_written(tmp_path, _changed(period_s=10**400)), TABLE)
    assert "period_s is a number that no float holds" in stored.misfit(SOLUTION.account)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match="cannot be read"):
        read_stream(tmp_path / "none.json", TABLE)


@pytest.mark.parametrize("period", ["1/0", "-1", "nan", "1e9", ""])
def test_periods_that_are_none(period: str, tmp_path: Path) -> None:
    document: dict[str, Any] = stream_document(SOLUTION)
    certificate = {**document["certificate"], "period": period}
    with pytest.raises(CertificateError, match=r"certificate\.period"):
        read_stream(_written(tmp_path, _changed(certificate=certificate)), TABLE)
