"""Hosts and links as measured: what is between two samples, and what makes no sense."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from stagecut.compiler.ir.errors import DeviceError
from stagecut.compiler.ir.measured_machine import LinkSample, MeasuredLink, MeasuredMachine
from tests.support.over_hosts import measured

STEP = MeasuredLink(
    "local",
    "b",
    tuple(
        LinkSample(size_bytes, time_s, 0.0, 0.0)
        for size_bytes, time_s in ((100, 1.0), (200, 2.0), (201, 10.0), (301, 20.0))
    ),
)

TIMES_S = {0: 1.0, 100: 1.0, 150: 1.5, 200: 2.0, 201: 10.0, 251: 15.0, 301: 20.0, 401: 30.0}


@pytest.mark.parametrize(("size_bytes", "time_s"), TIMES_S.items())
def test_a_value_takes_what_lies_between_the_samples_around_its_size(
    size_bytes: int, time_s: float
) -> None:
    assert STEP.transfer_s(size_bytes) == pytest.approx(time_s)


def test_nothing_larger_takes_less_than_the_largest_sample() -> None:
    falling = replace(STEP, samples=(LinkSample(1, 2.0, 0.0, 0.0), LinkSample(2, 1.0, 0.0, 0.0)))
    assert falling.transfer_s(1000) == 1.0
    assert replace(STEP, samples=STEP.samples[:1]).transfer_s(10**9) == 1.0


def test_each_route_has_its_link() -> None:
    machine = measured()
    assert len(machine.ways) == len(machine.links)
    for route, link in machine.ways.items():
        assert route == (link.source.replace("local", "host"), link.target.replace("local", "host"))


def test_a_device_takes_longer_where_the_probe_does() -> None:
    machine = measured()
    local, b, c = machine.hosts
    assert [machine.slowdown(host, "cpu.serial") for host in (b, c)] == [1.0, 2.0]
    assert machine.slowdown(c, "openvino.f32") is None
    assert [host.memory for host in (local, b)] == ["host", "b"]


BAD: dict[str, tuple[Callable[[MeasuredMachine], MeasuredMachine], str]] = {
    "the driver's host is not the first": (
        lambda machine: replace(machine, hosts=machine.hosts[1:]),
        "hosts",
    ),
    "two hosts of one name": (
        lambda machine: replace(machine, hosts=(*machine.hosts, machine.hosts[1])),
        "hosts",
    ),
    "a name that is none": (
        lambda machine: replace(
            machine, hosts=(machine.hosts[0], replace(machine.hosts[1], name="a b"))
        ),
        "hosts",
    ),
    "a link to nowhere": (
        lambda machine: replace(machine, links=(replace(STEP, target="d"),)),
        "links[0].target",
    ),
    "sizes that do not ascend": (
        lambda machine: replace(machine, links=(replace(STEP, samples=STEP.samples[::-1]),)),
        "links[0].samples",
    ),
    "no samples": (
        lambda machine: replace(machine, links=(replace(STEP, samples=()),)),
        "links[0].samples",
    ),
    "a probe that takes no time": (
        lambda machine: replace(
            machine,
            hosts=(
                machine.hosts[0],
                replace(
                    machine.hosts[1], devices=(replace(machine.hosts[1].devices[0], probe_s=0.0),)
                ),
            ),
            links=(),
        ),
        "hosts[1].devices[0].probe_s",
    ),
}


@pytest.mark.parametrize(("spoil", "where"), BAD.values(), ids=BAD.keys())
def test_what_makes_no_sense_is_refused(
    spoil: Callable[[MeasuredMachine], MeasuredMachine], where: str
) -> None:
    with pytest.raises(DeviceError) as caught:
        spoil(measured())
    assert caught.value.where == where
