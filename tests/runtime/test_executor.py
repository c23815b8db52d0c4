"""A schedule is carried out as it stands: its stages, its transfers, in its order."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count, pairwise
from weakref import ref

import numpy as np
import pytest

from stagecut.backends.null.device import NullLink
from stagecut.compiler.ir.device import (
    Backend,
    Estimate,
    Executable,
    StagedSchedule,
    StageProgram,
    Tensor,
)
from stagecut.compiler.ir.errors import (
    DeviceError,
    EngineError,
    RangeFault,
    StageFault,
    ValueRangeError,
)
from stagecut.compiler.ir.graph import Value
from stagecut.compiler.ir.machine import Basis, Route
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.ir.trace import Event
from stagecut.runtime.executor import Executor
from tests.support.like import Like
from tests.support.staged import device, staged

CHAIN = "g (float[3] x) => (float[3] z) { [a] u = Neg(x)  [b] v = Exp(u)  [c] z = Neg(v) }"
THERE_AND_BACK = """
    run cpu: a
    transfer u: host > far
    run far: b
    transfer v: far > host
    run cpu: c
"""
X = np.array([1, 2, 3], np.float32)
TWO: dict[str, Backend] = {"cpu": device("cpu"), "far": device("far", "far")}


def _run(staged: StagedSchedule, backends: Mapping[str, Backend]) -> tuple[Tensor, list[Event]]:
    clock = count()
    executor = Executor(staged, ["z"], backends, clock=lambda: float(next(clock)))
    outputs, trace = executor.run({"x": X})
    np.testing.assert_array_equal(executor.outputs({"x": X})["z"], outputs["z"])
    return outputs["z"], list(trace.events)


def test_stages_and_transfers_follow_each_other() -> None:
    found, events = _run(staged(CHAIN, THERE_AND_BACK), TWO)
    np.testing.assert_allclose(found, -np.exp(-X), rtol=1e-6)
    assert [(each.kind, each.name, each.track, each.stage) for each in events] == [
        ("stage", "stage-000", "cpu", 0),
        ("transfer", "u", "host>far", 1),
        ("stage", "stage-001", "far", 1),
        ("transfer", "v", "far>host", 2),
        ("stage", "stage-002", "cpu", 2),
    ]
    assert events[1].route == Route("host", "far")
    assert [(each.start_s, each.wall_s) for each in events] == [(2 * n + 1, 1) for n in range(5)]


def test_stages_that_run_elsewhere() -> None:
    """In the schedule's order, whatever is transferred in between; the first executor stays."""
    here = Executor(staged(CHAIN, THERE_AND_BACK), ["z"], TWO)
    stages: list[Executable] = [
        lambda inputs, add=add: [inputs[0] + np.float32(add)] for add in (1, 10, 100)
    ]
    there = here.with_stages(stages)
    np.testing.assert_array_equal(there.outputs({"x": X})["z"], X + 111)
    passage = there.by_stage({"x": X})
    assert [passage.advance() for _ in stages] == [False, False, True]
    np.testing.assert_array_equal(passage.outputs()["z"], X + 111)
    np.testing.assert_allclose(here.outputs({"x": X})["z"], -np.exp(-X), rtol=1e-6)


def test_a_transfer_behind_the_last_stage_belongs_to_it() -> None:
    text = "transfer x: host > far\nrun far: a, b, c\ntransfer z: far > host"
    _, events = _run(staged(CHAIN, text), TWO)
    assert [(each.name, each.stage) for each in events] == [("x", 0), ("stage-000", 0), ("z", 0)]


def test_transfers_that_nobody_needs_are_made_as_well() -> None:
    """What is proved and priced is what runs, be it as it may."""
    text = "run cpu: a, b\ntransfer v: host > far\nrun cpu: c\ntransfer x: host > far"
    _, events = _run(staged(CHAIN, text), TWO)
    assert [each.track for each in events] == ["cpu", "host>far", "cpu", "host>far"]


def test_a_value_goes_by_way_of_another_memory_where_the_schedule_says_so() -> None:
    near = device("near", "near")
    relay = replace(near, links=(*near.links, _Doubling("near", "far")))
    text = "transfer x: host > near\ntransfer x: near > far\nrun far: a\nrun far: b, c\n"
    found, events = _run(staged(CHAIN, f"{text}transfer z: far > host"), {**TWO, "near": relay})
    np.testing.assert_allclose(found, -np.exp(-2 * X), rtol=1e-6)
    assert [each.track for each in events][:2] == ["host>near", "near>far"]


def test_modelled_steps_count_for_what_the_schedule_says() -> None:
    plain = staged(CHAIN, THERE_AND_BACK)
    modelled = replace(plain, modelled_s=(None, 0.25, 0.5, None, None))
    _, events = _run(modelled, TWO)
    assert [(each.basis, each.duration_s) for each in events] == [
        ("measured", 1),
        ("modelled", 0.25),
        ("modelled", 0.5),
        ("measured", 1),
        ("measured", 1),
    ]


def test_values_are_given_up_after_their_last_use() -> None:
    """The first result is gone when the third stage runs, and the feed is still the caller's."""
    seen: list[ref[Tensor]] = []

    def compute(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        alive.append(sum(each() is not None for each in seen))
        result = inputs[0] + 1
        seen.append(ref(result))
        return [result]

    alive: list[int] = []
    backends: dict[str, Backend] = {"cpu": _Made(device("cpu"), compute)}
    executor = Executor(staged(CHAIN, "run cpu: a\nrun cpu: b\nrun cpu: c"), ["z"], backends)
    outputs = executor.outputs({"x": X})
    assert alive == [0, 1, 1]
    assert [each() is None for each in seen] == [True, True, False]
    np.testing.assert_array_equal(outputs["z"], X + 3)


def test_threads_do_not_meet() -> None:
    executor = Executor(staged(CHAIN, THERE_AND_BACK), ["z"], TWO)

    def call(number: int) -> None:
        x = np.full(3, number, np.float32)
        np.testing.assert_allclose(executor.outputs({"x": x})["z"], -np.exp(-x), rtol=1e-6)

    with ThreadPoolExecutor(8) as threads:
        assert len([*threads.map(call, range(-40, 40))]) == 80


def test_a_route_without_a_link_is_told() -> None:
    backends = {**TWO, "far": device("far", "elsewhere")}
    problem = "no link leads straight from memory 'host' to 'far'"
    with pytest.raises(DeviceError, match=problem) as error:
        Executor(staged(CHAIN, "run cpu: a, b, c\ntransfer x: host > far"), ["z"], backends)
    assert error.value.where == "transfer of x"
    assert error.value.fix


def test_a_device_that_is_not_there_is_told() -> None:
    with pytest.raises(DeviceError, match="is not among the devices that were made") as error:
        Executor(staged(CHAIN, THERE_AND_BACK), ["z"], {"cpu": TWO["cpu"]})
    assert error.value.where == "stage 1 on far"
    assert error.value.fix == "they are cpu"


def test_errors_of_engines_are_told_with_their_stage() -> None:
    def fail(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        raise RuntimeError("out of luck")

    backends = {**TWO, "far": _Made(device("far", "far"), fail)}
    executor = Executor(staged(CHAIN, THERE_AND_BACK), ["z"], backends)
    with pytest.raises(StageFault, match="failed: out of luck") as error:
        executor.outputs({"x": X})
    assert (error.value.stage, error.value.device) == (1, "far")


def test_inputs_that_an_engine_cannot_hold_are_no_fault_of_its() -> None:
    def refuse(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        raise ValueRangeError("too large")

    executor = Executor(
        staged(CHAIN, "run cpu: a, b, c"), ["z"], {"cpu": _Made(device("cpu"), refuse)}
    )
    with pytest.raises(RangeFault, match="too large"):
        executor.outputs({"x": X})


def test_an_engine_that_refuses_a_stage_is_told_and_the_watch_knows_when_it_was_at_work() -> None:
    watch = _Watch()
    Executor(staged(CHAIN, THERE_AND_BACK), ["z"], TWO, watch=watch).outputs({"x": X})
    prepared, run = [0, 1, 2], [0, 1, 1, 1, 2]  # transfers to and from stage 1 are its own
    assert watch.told == [said for stage in (*prepared, *run) for said in (stage, None)]
    watch = _Watch()
    with pytest.raises(StageFault, match="refuses it") as error:
        Executor(
            staged(CHAIN, THERE_AND_BACK),
            ["z"],
            {**TWO, "far": _Made(device("far", "far"), None)},
            watch=watch,
        )
    assert error.value.stage == 1
    assert watch.told == [0, None, 1, None]


class _Watch:
    def __init__(self) -> None:
        self.told: list[int | None] = []

    def enter(self, stage: int) -> None:
        self.told.append(stage)

    def leave(self) -> None:
        self.told.append(None)


@dataclass(frozen=True)
class _Doubling:
    """A link whose work can be seen."""

    source: str
    target: str
    basis: Basis = "measured"

    def transfer(self, tensor: Tensor) -> Tensor:
        return 2 * tensor

    def estimate(self, value: Value) -> Estimate | None:
        return None


@dataclass(frozen=True)
class _Made(Like):
    """`inner`, but that every stage is `compute`; refuses every stage where that is None."""

    compute: Executable | None

    def prepare(self, stage: StageProgram) -> Executable:
        if self.compute is None:
            raise EngineError("refuses it")
        return self.compute


#: What a link does with a value, and what is said of it: at the far end of the one that fails.
TRANSFERS: dict[str, tuple[str, Callable[[Tensor], object], int, str]] = {
    "raises on the way there": ("far", lambda _: 1 / 0, 1, "failed: division by zero"),
    "raises on the way back": ("host", lambda _: 1 / 0, 1, "failed: division by zero"),
    "brings nothing": ("far", lambda _: None, 1, "the value is a NoneType, not a numpy array"),
    "brings another type": (
        "host",
        lambda tensor: tensor.astype(float),
        1,
        "after its transfer far > host: v has type float64, and float32 in the model",
    ),
    "brings another shape": ("host", lambda tensor: tensor[:1], 1, "shape 1, and 3 in the model"),
}


@pytest.mark.parametrize(
    ("target", "does", "stage", "problem"), TRANSFERS.values(), ids=TRANSFERS.keys()
)
def test_what_goes_wrong_in_a_transfer_is_a_fault_of_the_stage_at_its_far_end(
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    does: Callable[[Tensor], object],
    stage: int,
    problem: str,
) -> None:
    def transfer(link: NullLink, tensor: Tensor) -> object:
        return does(tensor) if link.target == target else tensor

    monkeypatch.setattr(NullLink, "transfer", transfer)
    executor = Executor(staged(CHAIN, THERE_AND_BACK), ["z"], TWO)
    with pytest.raises(StageFault, match=problem) as fault:
        executor.outputs({"x": X})
    assert (fault.value.stage, fault.value.device) == (stage, "far")


def test_a_look_at_a_state_in_its_home_is_a_transfer_as_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "transfer x: host > far\nrun far: a, b, c"
    executor = Executor(replace(staged(CHAIN, text), homes={"z": "far"}), ["z"], TWO)
    np.testing.assert_allclose(executor.outputs({"x": X})["z"], -np.exp(-X), rtol=1e-6)

    def transfer(link: NullLink, tensor: Tensor) -> object:
        return tensor[:1] if link.target == "host" else tensor

    monkeypatch.setattr(NullLink, "transfer", transfer)
    executor = Executor(replace(staged(CHAIN, text), homes={"z": "far"}), ["z"], TWO)
    with pytest.raises(StageFault, match="z has shape 1, and 3 in the model") as fault:
        executor.outputs({"x": X})
    assert (fault.value.stage, fault.value.device) == (0, "far")


#: A schedule -> the steps of each stage, as many as are made when it runs.
BY_STAGE = {
    "a stage in another memory brings and takes back": (THERE_AND_BACK, (1, 3, 1)),
    "what is brought along is the reader's": (
        "run cpu: a\ntransfer u: host > far\ntransfer x: host > far\nrun far: b, c\n"
        "transfer z: far > host",
        (1, 4),
    ),
    "one stage": ("transfer x: host > far\nrun far: a, b, c\ntransfer z: far > host", (3,)),
}


@pytest.mark.parametrize(("text", "counts"), BY_STAGE.values(), ids=BY_STAGE.keys())
def test_a_stage_at_a_time(text: str, counts: tuple[int, ...]) -> None:
    passage = Executor(staged(CHAIN, text), ["z"], TWO).by_stage({"x": X})
    with ThreadPoolExecutor(1) as elsewhere:
        for last in [False] * (len(counts) - 1) + [True]:
            assert elsewhere.submit(passage.advance).result() is last
    np.testing.assert_allclose(passage.outputs()["z"], -np.exp(-X), rtol=1e-6)
    ends = passage._ends
    assert tuple(end - start for start, end in pairwise(ends)) == counts


def test_a_schedule_of_no_stages_hands_back_what_it_is_fed() -> None:
    whole = staged(CHAIN, "run cpu: a, b, c")
    empty = replace(whole, schedule=Schedule((), ()), programs=(), modelled_s=())
    passage = Executor(empty, [], TWO).by_stage({})
    assert passage.advance()
    assert passage.outputs() == {}
