"""A machine that exists is complete: names are unique, and what is named is there."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from stagecut.compiler.ir.errors import DeviceError
from stagecut.compiler.ir.machine import (
    Device,
    Host,
    Link,
    Machine,
    Memory,
    Resource,
    Route,
    combined,
)

MACHINE = Machine(
    (Memory("host"), Memory("pim", 2**30)),
    (Device("cpu", "host", resource="cores", cores=2), Device("pim.hbm", "pim", "modelled")),
    (Link("host", "pim", 1e-6, 1e9), Link("pim", "host", basis="modelled")),
    resources=(Resource("cores", 2),),
)

BAD: dict[str, tuple[Callable[[], Machine], str, str]] = {
    "two memories of one name": (
        lambda: replace(MACHINE, memories=(Memory("host"), Memory("pim"), Memory("host"))),
        "memories[2]",
        "already taken by memories[0]",
    ),
    "two devices of one name": (
        lambda: replace(MACHINE, devices=(Device("a", "host"), Device("a", "pim"))),
        "devices[1]",
        "already taken by devices[0]",
    ),
    "two hosts of one name": (
        lambda: replace(MACHINE, hosts=(Host(), Host())),
        "hosts[1]",
        "already taken by hosts[0]",
    ),
    "two resources of one name": (
        lambda: replace(MACHINE, resources=(Resource("a"), Resource("a"))),
        "resources[1]",
        "already taken by resources[0]",
    ),
    "a device in no memory": (
        lambda: replace(MACHINE, devices=(Device("a", "host"), Device("b", "moon"))),
        "devices[1].memory",
        "no memory 'moon'",
    ),
    "a link from nowhere": (
        lambda: replace(MACHINE, links=(Link("moon", "pim"),)),
        "links[0].source",
        "no memory 'moon'",
    ),
    "a link to nowhere": (
        lambda: replace(MACHINE, links=(Link("pim", "moon"),)),
        "links[0].target",
        "no memory 'moon'",
    ),
    "a memory whose name would break routes": (
        lambda: replace(MACHINE, memories=(*MACHINE.memories, Memory("a>b"))),
        "memories[2].name",
        "cannot name a memory",
    ),
    "a memory without a name": (
        lambda: replace(MACHINE, memories=(*MACHINE.memories, Memory(""))),
        "memories[2].name",
        "cannot name a memory",
    ),
}


@pytest.mark.parametrize(("make", "where", "problem"), BAD.values(), ids=BAD.keys())
def test_bad_machines_cannot_be_made(make: Callable[[], Machine], where: str, problem: str) -> None:
    with pytest.raises(DeviceError, match=problem.replace("[", r"\[")) as error:
        make()
    assert error.value.where == where
    assert error.value.fix


def test_what_is_looked_up_by_name() -> None:
    assert MACHINE.device("cpu") is MACHINE.devices[0]
    assert MACHINE.memory_of("pim.hbm") == "pim"
    assert MACHINE.host_of("pim.hbm") == "local"
    assert MACHINE.memory_named["pim"].capacity_bytes == 2**30
    assert MACHINE.links_on[Route("pim", "host")] == (MACHINE.links[1],)


def test_a_device_that_is_not_there_is_told_with_the_nearest() -> None:
    with pytest.raises(DeviceError, match=r"no device 'pim\.hmb'") as error:
        MACHINE.device("pim.hmb")
    assert error.value.fix.startswith("did you mean 'pim.hbm'?")


def test_a_device_keeps_its_resource_busy_or_itself() -> None:
    assert [device.keeps_busy for device in MACHINE.devices] == ["cores", "pim.hbm"]


def test_a_link_takes_its_latency_and_then_its_bytes() -> None:
    there, back = MACHINE.links
    assert there.transfer_s(1000) == pytest.approx(2e-6)
    assert back.transfer_s(1000) is None
    assert (there.route, str(there.route)) == (Route("host", "pim"), "host>pim")


def test_routes_read_and_write() -> None:
    assert Route.parse("host>pim.hbm") == Route("host", "pim.hbm") == ("host", "pim.hbm")


def test_a_sum_is_modelled_as_soon_as_a_part_is() -> None:
    assert combined(["measured", "modelled"]) == "modelled"
    assert combined([]) == combined(["measured"]) == "measured"
