"""The commands of "Two machines in ten minutes", on two hosts in namespaces of this machine."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest

from benchmarks.namespaces import Hosts
from tests.support.namespaced import two_namespaces
from tests.support.over_hosts import layers
from tests.support.repository import ROOT

PAGE = Path(__file__).parents[2] / "docs" / "hosts.md"
_LINE = re.compile(r"^(first|second)\$ +(.+)$", re.MULTILINE)
_EXPORT = re.compile(r"^export (.+)$", re.MULTILINE)
#: A small model in the place of a large one, and a second in that of ten.
_SMALLER = {"zoo:bert-base": "model.onnx", "--seconds 10": "--seconds 1"}


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    """Two that nothing runs on yet, each with a home of its own."""
    with two_namespaces(started=False) as two:
        yield two


def _commands() -> list[tuple[str, str]]:
    """(host, command), as the page has them."""
    return _LINE.findall(PAGE.read_text("utf-8"))


def _exported(home: Path) -> dict[str, str]:
    pairs = " ".join(_EXPORT.findall(PAGE.read_text("utf-8"))).split()
    return {
        name: value.replace("~", str(home))
        for name, value in (pair.split("=", 1) for pair in pairs)
    }


def _run(hosts: Hosts, host: int, command: str) -> str:
    home = hosts.folder / f"home-{host}"
    home.mkdir(exist_ok=True)
    tools = Path(sys.executable).parent
    more = {"HOME": str(home), "PATH": f"{tools}:{os.environ['PATH']}", **_exported(home)}
    more["RAY_ADDRESS"] = f"{hosts.address_of(0)}:6379"  # others may run on this machine
    more["PYTHONPATH"] = str(ROOT)  # where tests.support is
    kept = {name: text for name, text in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        hosts.inside(host, ["bash", "-c", command]),
        env={**kept, "RAY_USAGE_STATS_ENABLED": "0", **more},
        cwd=hosts.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def _here(hosts: Hosts, host: int, command: str) -> str:
    """As it is on these hosts, which are small, have no ssh, and share a disk."""
    command = command.replace("FIRST", hosts.address_of(0))
    if command.startswith("scp"):
        copied = f"{hosts.folder}/home-1/.ray"
        return f"mkdir -p {copied} && cp -p ~/.ray/auth_token {copied}/auth_token"
    if command.startswith("ray start"):
        head = f" --temp-dir {hosts.folder}/ray" if "--head" in command else ""
        return f"env -u RAY_ADDRESS {command} {' '.join(hosts.small(host))}{head}"
    for large, small in _SMALLER.items():
        command = command.replace(large, small)
    return command.replace("stagecut ", f"{sys.executable} -m tests.support.brief_hosts ")


def test_two_machines_in_ten_minutes(hosts: Hosts) -> None:
    onnx.save(layers(), hosts.folder / "model.onnx")
    said = {}
    for name, command in _commands():
        host = ["first", "second"].index(name)
        said[command] = _run(hosts, host, _here(hosts, host, command))
    asked = [command.split()[1] for command in said if command.startswith("stagecut ")]
    assert asked == ["hosts", "compile", "run", "run"]
    [streamed] = [text for command, text in said.items() if "--stream" in command]
    assert "inputs/s" in streamed
    assert "host-2" in next(text for command, text in said.items() if " hosts " in command)
