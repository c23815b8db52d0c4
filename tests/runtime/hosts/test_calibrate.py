"""What is made of the times that calls of hosts take, by a clock that is told what they take."""

from typing import Any

import pytest

from stagecut.compiler.ir.device import silent
from stagecut.compiler.ir.errors import DeviceError
from stagecut.compiler.ir.measured_machine import MeasuredDevice
from stagecut.runtime.hosts import calibrate as calibrating
from stagecut.runtime.hosts import member
from stagecut.runtime.hosts.calibrate import SIZES_BYTES, Probed, Speeds, calibrate, probed_in_turns
from tests.support.over_hosts import ClusterHere

CALL_S, BYTE_S = 2e-3, 1e-9


@pytest.fixture(autouse=True)
def _works_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts that are called by a clock of its own do no work of which it tells."""
    monkeypatch.setattr(member, "_WORK_BYTES", 1 << 10)


class _Timed(ClusterHere):
    """A call takes a while, and what it carries more."""

    def __init__(self) -> None:
        super().__init__()
        self.hosts = self.hosts[:3]
        self.now_s = 0.0
        self.probes: list[dict[str, float]] = []

    def call(self, actor: object, method: str, *arguments: object) -> Any:
        if method == "worked_s":
            return super().call(actor, method) * 0.0  # by another clock than this
        self.now_s += CALL_S + BYTE_S * sum(getattr(each, "nbytes", 0) for each in arguments)
        if method == "give":
            self.now_s += BYTE_S * float(str(arguments[0]))
        return super().call(actor, method, *arguments)

    def started(self, actor: object, method: str, *arguments: object) -> Any:
        if method == "probe":
            return self.probes.pop(0) if self.probes else {"cpu.serial": 0.25}
        self.now_s += CALL_S if method == "give" else 0.0
        return super().started(actor, method, *arguments)

    def clock(self) -> float:
        return self.now_s


def test_a_link_takes_what_is_added_to_calls() -> None:
    cluster = _Timed()
    machine = calibrate(cluster, silent, cluster.clock)  # type: ignore[arg-type]
    assert [host.name for host in machine.hosts] == ["local", "host-2", "host-3"]
    assert machine.hosts[0].call_s == 0.0
    assert machine.hosts[0].loaded_factor == 1.0
    assert machine.hosts[1].call_s == pytest.approx(CALL_S, rel=1e-3)
    assert len(machine.links) == 6
    for link in machine.links:
        for size_bytes, sample in zip(SIZES_BYTES, link.samples, strict=True):
            assert sample.time_s == pytest.approx(BYTE_S * size_bytes, rel=0.1, abs=1e-7)
    assert cluster.ended == 3  # those that kept hosts busy


def test_hosts_are_probed_in_turns_and_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that failed in one of them is none; none is faster for what others do."""
    monkeypatch.setattr(calibrating, "_TURNS", 3)
    cluster = _Timed()
    hosts = [Probed(host.address, host, cluster.prober(host)) for host in cluster.hosts[:2]]
    both = {"a": 5.0, "b": 9.0}
    cluster.probes = [{"a": 1.0, "b": 1.0}, {"a": 8.0}, both, {"a": 4.5}]
    cluster.probes += [{"a": 9.0, "b": 2.0}, {"a": 7.0}, both, {"a": 6.5}]
    cluster.probes += [{"a": 4.0}, {"a": 6.0}, {"a": 4.5, "b": 1.0}, {"a": 6.9}]
    found = probed_in_turns(cluster, hosts, silent)  # type: ignore[arg-type]
    assert found == {
        "10.0.0.1": Speeds((MeasuredDevice("a", 4.0),), 1.25),
        "10.0.0.2": Speeds((MeasuredDevice("a", 7.0),), 1.0),
    }


def test_a_cluster_of_one_is_none() -> None:
    cluster = _Timed()
    cluster.hosts = cluster.hosts[:1]
    with pytest.raises(DeviceError, match="no other host"):
        calibrate(cluster, silent, cluster.clock)  # type: ignore[arg-type]
