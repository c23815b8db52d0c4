"""Streams over hosts as files; what is wrong with one: cli/test_check_hosts_stream.py."""

import json
from pathlib import Path

import pytest

from stagecut.compiler.formats.hosts_stream_json import hosts_stream_document, read_hosts_stream
from stagecut.compiler.ir.errors import CertificateError
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.passes.partition.throughput.over_hosts import ThroughputOverHosts
from tests.support.host_tables import chain, machine

TABLE = chain(machine(2), 10e-3, 10e-3)
LIMIT = Limit("latency", 0.1)
SOLUTION = ThroughputOverHosts(LIMIT)(TABLE)
DOCUMENT = hosts_stream_document(SOLUTION.stream, SOLUTION.account, SOLUTION.certificate, (LIMIT,))


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "stream.json"
    path.write_text(json.dumps(DOCUMENT))
    stored = read_hosts_stream(path, TABLE)
    assert stored.stream == SOLUTION.stream
    assert stored.limits == (LIMIT,)
    assert stored.bound_s == SOLUTION.certificate.lower_bound
    assert stored.misfit(SOLUTION.account, SOLUTION.certificate) == ""


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000, '{"stages": NaN}'])
def test_what_is_none_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "stream.json"
    path.write_text(text)
    with pytest.raises(CertificateError, match="holds no stream over hosts"):
        read_hosts_stream(path, TABLE)
