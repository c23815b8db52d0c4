"""A real cluster, of hosts in namespaces of this machine; where there can be none, what is said."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from os import PRIO_PROCESS, getpriority, kill
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from benchmarks.namespaces import Hosts
from stagecut.compiler.ir.errors import DeviceError, EngineError, UsageError
from stagecut.runtime.hosts.cluster import Cluster, writable
from stagecut.runtime.hosts.member import HostFault
from stagecut.runtime.session import Session
from tests.support.namespaced import two_namespaces
from tests.support.over_hosts import CAPACITY_BYTES, LAYERS, WIDTH, layers, plan_over_hosts

CLI = (sys.executable, "-m", "tests.support.brief_hosts")
REQUESTS = 120


def test_without_ray_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(DeviceError, match="Ray") as caught:
        Session(plan_over_hosts(), cluster="auto")
    assert "stagecut[hosts]" in caught.value.fix


@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
def test_who_sends_no_token_joins_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    with pytest.raises(UsageError, match="open to anybody") as caught:
        Cluster("auto")
    assert "--insecure" in caught.value.fix


class _CannotPrepare(Cluster):
    """What its members are asked fails, in plain words."""

    def __init__(self) -> None: ...

    def started(self, actor: object, method: str, *arguments: object) -> object:
        return object()

    def _fetched(self, refs: object, source: str, pieces: int) -> Iterator[int]:
        return iter(range(pieces))

    def get(self, refs: Sequence[object]) -> list[Any]:
        raise HostFault("is full", "the disk", "make room", False)


def test_who_cannot_prepare_what_it_is_to_run_is_an_error_of_ours() -> None:
    with pytest.raises(EngineError, match="is full") as caught:
        _CannotPrepare().ready(["a member"], "a source", 1)
    assert (caught.value.where, caught.value.fix) == ("the disk", "make room")


def test_of_no_results_ray_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert Cluster.get(_CannotPrepare(), []) == []


@pytest.mark.parametrize("length", [0, 3, 1 << 19], ids=["empty", "small", "with its own pages"])
def test_what_is_handed_back_is_the_caller_s_own(length: int) -> None:
    stored = np.arange(2 * length, dtype=np.float32).reshape(2, length)[::-1]
    stored.flags.writeable = False
    own = writable(stored)
    np.testing.assert_array_equal(own, stored)
    assert own.dtype == stored.dtype
    own += 1
    assert not np.shares_memory(own, stored)


def test_texts_that_are_handed_back_are_let_go() -> None:
    text = "a text that nobody else has".upper()
    stored = np.full(1 << 18, text, object)
    before = sys.getrefcount(text)
    own = writable(stored)
    assert own[0] == text
    del own
    assert sys.getrefcount(text) == before


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    """Two, the driver's and another, which ask for a token and speak TLS."""
    with two_namespaces(tls=True) as two:
        yield two


@pytest.fixture(scope="module")
def plan(hosts: Hosts) -> Path:
    """Of a model that fits neither of the two, by their machine.json."""
    model, machine = hosts.folder / "model.onnx", hosts.folder / "machine.json"
    onnx.save(layers(), model)
    found = _json(hosts, "hosts", "-o", machine)
    assert [host["name"] for host in found["hosts"]] == ["local", "host-2"]
    assert {(link["source"], link["target"]) for link in found["links"]} == {
        ("local", "host-2"), ("host-2", "local")
    }  # fmt: skip
    assert found["hosts"][1]["call_s"] > 0
    small = _with_capacity(hosts, "small", LAYERS // 2 * CAPACITY_BYTES // 2)
    how = ("--granularity", "op", "--device", "cpu.serial", "--effort", "quick")
    _json(hosts, "compile", model, "-o", hosts.folder / "a.plan", "--machine", small, *how)
    return hosts.folder / "a.plan"


@pytest.fixture(scope="module")
def elsewhere(hosts: Hosts, plan: Path) -> Path:
    """Of the same model, all of it on the other host, and both may hold it."""
    machine = _with_capacity(hosts, "roomy", LAYERS * CAPACITY_BYTES)
    model = plan.parent / "model.onnx"
    how = ("--granularity", "op", "--device", "cpu.serial", "--effort", "quick")
    away = ("--forbid", "op:MatMul=cpu.serial")
    _json(hosts, "compile", model, "-o", plan.parent / "b.plan", "--machine", machine, *how, *away)
    return plan.parent / "b.plan"


def _with_capacity(hosts: Hosts, name: str, capacity_bytes: int | None) -> Path:
    """The machine as it was measured, where each host may hold so much."""
    document = json.loads((hosts.folder / "machine.json").read_text())
    for host in document["hosts"]:
        host["capacity_bytes"] = capacity_bytes
    machine = hosts.folder / f"{name}.json"
    machine.write_text(json.dumps(document))
    return machine


def _json(hosts: Hosts, *arguments: object, **more: str) -> Any:
    return json.loads(hosts.run([*CLI, *map(str, arguments), "--json"], **more))


def test_a_plan_runs_over_two_hosts_and_is_right(hosts: Hosts, plan: Path) -> None:
    x = np.linspace(-1, 1, WIDTH, dtype=np.float32).reshape(1, -1)
    np.save(hosts.folder / "x.npy", x)
    ran = _json(
        hosts, "run", plan, "--cluster", "auto", "--input", f"y0={hosts.folder}/x.npy",
        "--output-dir", hosts.folder, "--trace", hosts.folder / "trace.json",
    )  # fmt: skip
    assert {stage["device"] for stage in ran["stages"]} >= {"host-2.cpu.serial"}
    for weight in layers().graph.initializer:
        x = x @ onnx.numpy_helper.to_array(weight)
    np.testing.assert_allclose(np.load(hosts.folder / f"y{LAYERS}.npy"), x, rtol=1e-4, atol=1e-7)
    tracks = json.loads((hosts.folder / "trace.json").read_text())["traceEvents"]
    named = [each["args"]["name"] for each in tracks if each["name"] == "thread_name"]
    assert {"local", "host-2"} <= {*named}
    assert [*hosts.cache_of(1).rglob("*.slice")]


def test_a_stream_keeps_both_hosts_at_work(hosts: Hosts, plan: Path) -> None:
    model, how = hosts.folder / "model.onnx", ("--device", "cpu.serial", "--effort", "quick")
    roomy = _with_capacity(hosts, "unlimited", None)
    streamed = hosts.folder / "streamed.plan"
    given = ("--machine", roomy, "--objective", "throughput", *how)
    found = _json(hosts, "compile", model, "-o", streamed, *given)
    places = [place["device"] for stage in found["stream"]["places"] for place in stage]
    ran = _json(
        hosts, "run", streamed, "--cluster", "auto", "--random", 0, "--stream", "--seconds", "1"
    )
    assert ran["failed"] == 0
    assert ran["outputs"] > 0
    assert set(places) <= {"cpu.serial", "host-2.cpu.serial"}
    assert ran["planned_period_s"] > 0


def test_a_cluster_that_is_sent_no_token_is_not_used(hosts: Hosts, plan: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        _json(hosts, "run", plan, "--cluster", "auto", "--random", 0, RAY_AUTH_MODE="disabled")
    assert caught.value.returncode == 2
    assert "open to anybody" in caught.value.stderr


def test_a_stream_outlives_a_member_and_then_its_host(hosts: Hosts, elsewhere: Path) -> None:
    driver = [sys.executable, "-m", "benchmarks.hosts_driver", str(elsewhere), "--cluster", "auto"]
    stream = subprocess.Popen(
        hosts.inside(0, [*driver, "--requests", str(REQUESTS)]),
        env=hosts.environment(0),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    own = getpriority(PRIO_PROCESS, 0)
    last, niceness = "", {own}
    for line in stream.stdout or ():
        last = line
        if line.strip() == str(REQUESTS // 4):
            niceness |= {getpriority(PRIO_PROCESS, pid) for pid in _members(hosts)}
            _kill_members(hosts)
        elif line.strip() == str(REQUESTS // 2):
            hosts.kill(1)
    found = json.loads(last)
    assert found["errors"] == []
    assert len(found["right"]) == REQUESTS
    assert all(found["right"])
    assert niceness == {own}  # else they would give way to all else that these hosts do


def _members(hosts: Hosts) -> Iterator[int]:
    for pid in hosts.pids(1):
        with suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::Member"):
                yield pid


def _kill_members(hosts: Hosts) -> None:
    for pid in _members(hosts):
        with suppress(ProcessLookupError):
            kill(pid, signal.SIGKILL)
