"""A device as another host has it: its own name and memory, and the same numbers."""

from stagecut import backends
from stagecut.backends.elsewhere import elsewhere
from stagecut.compiler.ir.machine import Route
from tests.support.over_hosts import measured


def test_it_lives_in_the_memory_of_its_host_and_has_the_links_that_lead_there() -> None:
    engine = backends.create_all(["cpu.serial"])["cpu.serial"]
    host = measured(capacity_bytes=5).hosts[1]
    far = elsewhere(engine, host, [Route("host", "b"), Route("b", "c"), Route("host", "c")])
    assert (far.device.name, far.device.memory) == ("b.cpu.serial", "b")
    assert (far.memory.name, far.memory.capacity_bytes, far.memory.host) == ("b", 5, "b")
    assert far.device.keeps_busy == f"b.{engine.device.keeps_busy}"
    assert [(link.source, link.target) for link in far.links] == [("host", "b"), ("b", "c")]
    tensor = object()
    assert far.links[0].driver.transfer(tensor) is tensor  # type: ignore[arg-type]
