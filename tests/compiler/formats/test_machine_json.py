"""machine.json: what is written is read again, and what is wrong is named by its place."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stagecut.compiler.formats.machine_json import read_machine, write_machine
from stagecut.compiler.ir.errors import DeviceError
from tests.support.over_hosts import measured


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    machine = measured(capacity_bytes=1000)
    slowed = tuple(replace(host, loaded_factor=1.25) for host in machine.hosts)
    machine = replace(machine, hosts=slowed)
    text = write_machine(machine)
    (tmp_path / "machine.json").write_text(text)
    assert read_machine(text) == machine == read_machine(tmp_path / "machine.json")
    assert write_machine(read_machine(text)) == text


BAD: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another schema": (lambda document: document.update(schema="other"), "schema"),
    "no hosts": (lambda document: document.pop("hosts"), "hosts"),
    "an unknown key": (lambda document: document.update(more=1), "more"),
    "an unknown key of a host": (
        lambda document: document["hosts"][1].update(more=1),
        "hosts.1.more",
    ),
    "a negative time": (
        lambda document: document["links"][0]["samples"][0].update(time_s=-1),
        "links.0.samples.0.time_s",
    ),
    "a host that others make faster": (
        lambda document: document["hosts"][1].update(loaded_factor=0.9),
        "hosts.1.loaded_factor",
    ),
    "a link to nowhere": (
        lambda document: document["links"][0].update(source="z"),
        "links[0].source",
    ),
}


@pytest.mark.parametrize(("spoil", "where"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_is_named_by_its_place(
    spoil: Callable[[dict[str, Any]], object], where: str
) -> None:
    document = json.loads(write_machine(measured()))
    spoil(document)
    with pytest.raises(DeviceError) as caught:
        read_machine(json.dumps(document))
    assert caught.value.where == where


def test_no_json_and_no_file_are_errors(tmp_path: Path) -> None:
    for source in ("{", "[]", tmp_path / "missing.json", '{"schema": 1, "schema": 2}'):
        with pytest.raises(DeviceError):
            read_machine(source)
