"""What devices do where nothing else competes with them: options, as any others."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from stagecut import backends
from stagecut.backends import cpu, openvino, threads
from stagecut.backends.openvino.device import OpenvinoBackend
from stagecut.compiler.ir.errors import DeviceError
from tests.support.nodes import sample

#: Device, its options, whether it may use every CPU of a machine of eight, in four cores -> offers.
OFFERS = {
    "all of a machine": (
        ("cpu.parallel", {}, True),
        ("pinning=on", "waiting=spin,pinning=on", "threads=4,waiting=spin"),
    ),
    "a part of one": (("cpu.parallel", {}, False), ("waiting=spin", "threads=4,waiting=spin")),
    "as many threads as asked": (("cpu.parallel", {"threads": "3"}, False), ("waiting=spin",)),
    "waiting as asked": (("cpu.parallel", {"waiting": "sleep"}, True), ()),
    "one thread": (("cpu.serial", {}, False), ()),
    "OpenVINO on all of it": (("openvino.f32", {}, True), ("threads=4",)),
    "OpenVINO on a part": (("openvino.f32", {}, False), ("pinning=on", "threads=4")),
    "OpenVINO on one thread": (("openvino.f32.serial", {}, False), ()),
}


@pytest.mark.parametrize(("device", "offered"), OFFERS.values(), ids=OFFERS.keys())
def test_offers(
    device: tuple[str, dict[str, str], bool],
    offered: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, options, every_cpu = device
    monkeypatch.setattr(threads, "usable_cpus", lambda: 8)
    for module in (cpu, openvino):
        monkeypatch.setattr(module, "usable_cores", lambda: 4)
        monkeypatch.setattr(module, "has_every_cpu", lambda count: every_cpu and count == 8)
    create = openvino.create if name.startswith("openvino") else cpu.create
    assert backends.configurations(create(name, options)) == offered


def test_what_has_no_engine_offers_nothing() -> None:
    assert backends.configurations(backends.create("pim.hbm")) == ()


def test_a_configuration_replaces_options_of_its_own_only() -> None:
    configured = backends.configured("cpu.parallel:watts_per_thread=2,threads=4", "threads=2")
    assert configured == "cpu.parallel:watts_per_thread=2,threads=2"
    assert backends.configured("cpu.parallel", "waiting=spin") == "cpu.parallel:waiting=spin"


@pytest.mark.parametrize(
    "spec", ["cpu.parallel:waiting=dream", "cpu.parallel:pinning=2", "cpu.serial:waiting=spin"]
)
def test_nonsense_is_refused(spec: str) -> None:
    with pytest.raises(DeviceError):
        backends.create(spec)


def test_cores_are_counted_by_their_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four CPUs that may be used, which are the threads of two cores."""
    for number, siblings in enumerate(("0,2", "1,3", "0,2", "1,3")):
        folder = tmp_path / f"cpu{number}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings)
    monkeypatch.setattr(threads, "usable_cpus", lambda: 4)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3})
    assert threads.usable_cores(tmp_path) == 2
    assert threads.usable_cores(tmp_path / "nothing") == 4


#: Device, how many call it at once -> by what they share nothing.
APART = {
    "each by a session": ("cpu.serial", 3, "sessions=3"),
    "of several threads": ("cpu.parallel:threads=2", 2, "sessions=2"),
    "one alone": ("cpu.serial", 1, ""),
    "as many as asked": ("cpu.serial:sessions=2", 3, ""),
    "threads that spin": ("cpu.parallel:waiting=spin", 2, ""),
    "what has no engine": ("pim.hbm", 2, ""),
}


@pytest.mark.parametrize(("spec", "callers", "offered"), APART.values(), ids=APART.keys())
def test_callers_apart(spec: str, callers: int, offered: str) -> None:
    assert backends.apart(backends.create(spec), callers) == offered
    [checked] = backends.create_all([spec]).values()
    assert backends.apart(checked, callers) == offered


#: Device, how many call it at once -> by what they share threads.
HELPED = {
    "a thread each": ("cpu.serial", 3, "helpers=2"),
    "one alone": ("cpu.serial", 1, ""),
    "several threads each": ("cpu.parallel:threads=2", 2, ""),
    "as many as asked": ("cpu.serial:helpers=1", 3, ""),
    "a session each": ("cpu.serial:sessions=2", 2, ""),
    "what has no engine": ("pim.hbm", 2, ""),
}


@pytest.mark.parametrize(("spec", "callers", "offered"), HELPED.values(), ids=HELPED.keys())
def test_callers_who_share_threads(spec: str, callers: int, offered: str) -> None:
    assert backends.helped(backends.create(spec), callers) == offered
    [checked] = backends.create_all([spec]).values()
    assert backends.helped(checked, callers) == offered
    assert backends.create("cpu.serial:helpers=3").device.cores == 1


def test_only_a_thread_of_its_own_has_helpers() -> None:
    with pytest.raises(DeviceError):
        backends.create("cpu.parallel:helpers=1")


@pytest.mark.skipif(not openvino.is_installed(), reason="openvino is not installed")
def test_one_caller_is_served_by_one_stream() -> None:
    two = backends.create("openvino.f32.serial:streams=2")
    assert backends.serving_one(two) == "streams=1"
    assert backends.serving_one(backends.create("openvino.f32.serial")) == ""
    assert backends.serving_one(backends.create("cpu.serial")) == ""
    assert backends.serving_one(backends.create("cpu.serial:sessions=2")) == "sessions=1"
    assert backends.serving_one(backends.create("cpu.serial:helpers=2")) == "helpers=0"
    [checked] = backends.create_all(["openvino.f32:streams=2"]).values()
    assert backends.serving_one(checked) == "streams=1"


@pytest.mark.skipif(not openvino.is_installed(), reason="openvino is not installed")
@pytest.mark.parametrize(
    ("spec", "every_cpu", "pins", "offered"),
    [
        ("openvino.f32.serial:streams=2", True, False, ("pinning=on",)),
        ("openvino.f32.serial:streams=2", False, False, ()),
        ("openvino.f32.serial:streams=2,pinning=on", True, True, ()),
        ("openvino.f32.serial:streams=2,pinning=off", True, False, ()),
        ("openvino.f32:streams=2", True, True, ()),
    ],
)
def test_streams_of_one_thread_share_cpus_with_other_stages(
    spec: str, every_cpu: bool, pins: bool, offered: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are pinned where they are asked to be; that is offered where they take all CPUs."""
    monkeypatch.setattr(openvino, "has_every_cpu", lambda _: every_cpu)
    monkeypatch.setattr(openvino, "usable_cores", lambda: 1)
    engine = backends.create(spec)
    assert isinstance(engine, OpenvinoBackend)
    assert engine.pins is pins
    assert backends.configurations(engine) == offered


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("cpu.serial", (False, False)),
        ("cpu.int8.serial", (True, False)),
        ("cpu.int8-dynamic.parallel", (True, False)),
        ("pim.hbm", (True, True)),
    ],
)
def test_which_nodes_are_computed_in_less(spec: str, expected: tuple[bool, bool]) -> None:
    """A device that does not tell them apart computes all of them so; and it is asked as every
    backend is, checked."""
    weight = np.ones((4, 5), np.float32)
    product = sample("(float[3, 4] x) => (float[3, 5] y) { y = MatMul(x, w) }", w=weight)
    other = sample("(float[3, 4] x) => (float[3, 4] y) { y = Tanh(x) }")
    for backend in (backends.create(spec), *backends.create_all([spec]).values()):
        found = tuple(backends.quantises(backend, case.node) for case in (product, other))
        assert found == expected
