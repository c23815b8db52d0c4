"""Inputs that are stacked on axis 0: which can be, what that makes of shapes, and where it runs."""

from dataclasses import replace
from itertools import pairwise

import pytest

from stagecut.compiler.ir.batching import (
    Cut,
    batching_problem,
    for_batches,
    in_batches,
    mixing_problem,
    stacked,
)
from stagecut.compiler.ir.graph import ANY_RANK, Dims
from stagecut.compiler.ir.machine import Device, Machine, Memory
from stagecut.compiler.ir.plan import PlannedStage
from stagecut.compiler.ir.planned_stream import PlannedStream
from stagecut.compiler.ir.port import InputPort, Port
from stagecut.compiler.ir.schedule import Run, Schedule, Stage
from tests.support.planned_variants import mixed

#: The dimensions of two inputs and of an output -> why they cannot be stacked.
STACKS: dict[str, tuple[tuple[Dims, Dims, Dims], str]] = {
    "rows": ((("n", 3), ("n", "seq"), ("n", 5)), ""),
    "rows that the output has no name for": ((("n", 3), ("n",), ("?", "?")), ""),
    "nothing is open": (((), ("n", 3), ("n", 3)), "x has no open first dimension"),
    "of any rank": ((ANY_RANK, ("n", 3), ("n", 3)), "x has no open first dimension"),
    "another one is": (((1, "n"), ("n",), ("n",)), "x has no open first dimension"),
    "a fixed output": ((("n",), ("n",), (4, "n")), "y has no open first dimension"),
    "two names": ((("n",), ("m",), ("n",)), "the inputs do not have one open first dimension"),
    "no name": ((("?",), ("?",), ("?",)), "the inputs do not have one open first dimension"),
    "all pairs": ((("n", 2), ("n", 2), ("n", "n")), "y has its first dimension twice"),
}


@pytest.mark.parametrize(("dims", "problem"), STACKS.values(), ids=STACKS.keys())
def test_what_can_be_stacked(dims: tuple[Dims, Dims, Dims], problem: str) -> None:
    x, z, y = dims
    inputs = (InputPort("x", "float32", (), dims=x), InputPort("z", "float32", (), dims=z))
    found = batching_problem(inputs, (Port("y", "float32", (), dims=y),))
    assert found.startswith(problem)
    assert bool(found) == bool(problem)


def test_shapes_of_stacked_inputs() -> None:
    assert stacked([(1, 128), (2,)], 4) == ((4, 128), (8,))


def test_the_variant_in_which_full_batches_run() -> None:
    one = mixed().planned
    single = replace(one, inputs=(replace(one.inputs[0], shape=(1, 8)),))
    batched = replace(one, inputs=(replace(one.inputs[0], shape=(4, 8)),))
    stream = PlannedStream((1,), (4,), 0.1, 0.1, "measured")
    assert for_batches([single, batched]) == set()
    assert for_batches([replace(single, stream=stream), batched]) == {1}
    assert for_batches([replace(single, stream=replace(stream, batches=(2,))), batched]) == set()


MACHINE = Machine((Memory("host"), Memory("pim")), (Device("cpu", "host"), Device("pim", "pim")))


def _cut(*devices: str, **shapes: tuple[int, ...]) -> Cut:
    """A stage on each device, which hands on what the next one reads: x to y, y to z."""
    stages = tuple(Stage(device, (f"n{at}",)) for at, device in enumerate(devices))
    schedule = Schedule(stages, tuple(Run(at) for at in range(len(stages))))
    ports = [Port(name, "float32", shape) for name, shape in shapes.items()]
    pairs = enumerate(pairwise(ports))
    return schedule, [PlannedStage(f"s{at}.onnx", (one,), (other,)) for at, (one, other) in pairs]


ALONE = _cut("cpu", "cpu", x=(1, 8), y=(3, 8), z=(1, 2))

#: The stages for four inputs -> why single inputs cannot become as many between them.
MIXING = {
    "stacked": (_cut("cpu", "cpu", x=(4, 8), y=(12, 8), z=(4, 2)), ""),
    "as many stages on another device": (
        _cut("cpu", "pim", x=(4, 8), y=(12, 8), z=(4, 2)),
        "batches are cut into other stages",
    ),
    "another value": (
        _cut("cpu", "cpu", x=(4, 8), w=(12, 8), z=(4, 2)),
        "stages of batches hand on other values",
    ),
    "on another axis": (
        _cut("cpu", "cpu", x=(4, 8), y=(3, 32), z=(4, 2)),
        "y is not stacked on its first axis in batches",
    ),
    "the same for all": (
        _cut("cpu", "cpu", x=(4, 8), y=(3, 8), z=(4, 2)),
        "y is not stacked on its first axis in batches",
    ),
}


@pytest.mark.parametrize(("full", "problem"), MIXING.values(), ids=MIXING.keys())
def test_what_can_be_put_together_between_stages(full: Cut, problem: str) -> None:
    assert mixing_problem(ALONE, full, MACHINE, 4) == problem


def test_batches_are_put_together_in_the_memory_of_the_host() -> None:
    alone, full = (_cut("cpu", "pim", x=(n, 8), y=(n, 8), z=(n, 2)) for n in (1, 4))
    assert mixing_problem(alone, full, MACHINE, 4).startswith("pim is no memory in which")


def test_what_devices_for_batches_are_called() -> None:
    assert [in_batches("cpu.serial", size) for size in (1, 8)] == ["cpu.serial", "cpu.serial in 8s"]
