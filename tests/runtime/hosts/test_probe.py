"""The probe runs on every real device, and takes some time there."""

from stagecut import backends
from stagecut.runtime.hosts.probe import Probe


def test_every_real_device_is_probed() -> None:
    probe = Probe()
    for found in (probe.times_s(), probe.times_s()):
        assert [*found] == [*backends.real_devices()]
        assert min(found.values()) > 0
