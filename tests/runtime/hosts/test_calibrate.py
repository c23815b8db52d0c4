"""What is made of the times that calls of hosts take, by a clock that is told what they take."""

from typing import Any

import pytest

from stagecut.compiler.ir.device import silent
from stagecut.compiler.ir.errors import DeviceError
from stagecut.runtime.hosts.calibrate import SIZES_BYTES, calibrate
from tests.support.over_hosts import ClusterHere

CALL_S, BYTE_S = 2e-3, 1e-9


class _Timed(ClusterHere):
    """A call takes a while, and what it carries more."""

    def __init__(self) -> None:
        super().__init__()
        self.hosts = self.hosts[:3]
        self.now_s = 0.0

    def call(self, actor: object, method: str, *arguments: object) -> Any:
        if method == "probe":
            return {"cpu.serial": 0.25}
        if method == "worked_s":
            return super().call(actor, method) * 0.0  # by another clock than this
        self.now_s += CALL_S + BYTE_S * sum(getattr(each, "nbytes", 0) for each in arguments)
        if method == "give":
            self.now_s += BYTE_S * float(str(arguments[0]))
        return super().call(actor, method, *arguments)

    def started(self, actor: object, method: str, *arguments: object) -> Any:
        self.now_s += CALL_S if method == "give" else 0.0
        return super().started(actor, method, *arguments)

    def clock(self) -> float:
        return self.now_s


def test_a_link_takes_what_is_added_to_calls() -> None:
    cluster = _Timed()
    machine = calibrate(cluster, silent, cluster.clock)  # type: ignore[arg-type]
    assert [host.name for host in machine.hosts] == ["local", "host-2", "host-3"]
    assert machine.hosts[0].call_s == 0.0
    assert machine.hosts[1].call_s == pytest.approx(CALL_S, rel=1e-3)
    assert len(machine.links) == 6
    for link in machine.links:
        for size_bytes, sample in zip(SIZES_BYTES, link.samples, strict=True):
            assert sample.time_s == pytest.approx(BYTE_S * size_bytes, rel=0.1, abs=1e-7)
    assert cluster.ended == 3  # those that kept hosts busy


def test_a_cluster_of_one_is_none() -> None:
    cluster = _Timed()
    cluster.hosts = cluster.hosts[:1]
    with pytest.raises(DeviceError, match="no other host"):
        calibrate(cluster, silent, cluster.clock)  # type: ignore[arg-type]
