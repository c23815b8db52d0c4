"""Machines whose hosts hold less than they could."""

import json
from pathlib import Path

import pytest

from benchmarks.hosts_runs import limited


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (None, {"local": 9_000_000, "b": 75_000_000, "c": 75_000_000}),
        (2, {"local": 75_000_000, "b": 75_000_000}),
    ],
    ids=["the driver's is small beside two", "of two both hold the same"],
)
def test_a_limited_machine_has_hosts_with_links_and_small_memories(
    tmp_path: Path, count: int | None, expected: dict[str, int]
) -> None:
    names = ["local", "b", "c"]
    links = [{"source": start, "target": end} for start in names for end in names if start != end]
    path = tmp_path / "machine.json"
    path.write_text(json.dumps({"hosts": [{"name": name} for name in names], "links": links}))
    found = json.loads(limited(path, tmp_path / "limited.json", count).read_text())
    assert {host["name"]: host["capacity_bytes"] for host in found["hosts"]} == expected
    assert len(found["links"]) == len(expected) * (len(expected) - 1)
    assert all({link["source"], link["target"]} <= {*expected} for link in found["links"])
