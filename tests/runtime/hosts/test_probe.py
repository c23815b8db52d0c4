"""The probe runs on every real device, and takes some time there."""

from stagecut import backends
from stagecut.runtime.hosts.probe import probes_s


def test_every_real_device_is_probed() -> None:
    found = probes_s()
    assert [*found] == [*backends.real_devices()]
    assert min(found.values()) > 0
