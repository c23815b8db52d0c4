"""What a plan says about itself: who ships, under which name, and what was observed of it."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.errors import PlanError
from stagecut.compiler.ir.graph import ANY_RANK, Dims
from stagecut.compiler.ir.plan import (
    Circumstances,
    ContenderId,
    ContenderKind,
    InputPort,
    PlannedStage,
    PlannedStream,
    Port,
    batching_problem,
)
from tests.support.planned_variants import mixed

KINDS = {
    "the optimum": (ContenderId(ContenderKind.OPTIMUM), "optimum"),
    "with fewer stages": (ContenderId(ContenderKind.FEWER_STAGES), "optimum, fewer stages"),
    "a device alone": (ContenderId(ContenderKind.SINGLE, "cpu.serial"), "cpu.serial"),
    "in a configuration of its own": (
        ContenderId(ContenderKind.SINGLE, "cpu.parallel", "waiting=spin"),
        "cpu.parallel (waiting=spin)",
    ),
    "replicas": (ContenderId(ContenderKind.SINGLE, "cpu", replicas=2), "2 x cpu"),
    "replicas in processes, batches": (
        ContenderId(ContenderKind.SINGLE, "cpu", replicas=2, batch=4, hosting="pinned processes"),
        "2 x cpu in pinned processes, batch 4",
    ),
    "a pipeline in processes": (
        ContenderId(ContenderKind.OPTIMUM, hosting="processes"),
        "optimum in processes",
    ),
    "one that was solved before": (
        ContenderId(ContenderKind.EARLIER, attempt=2),
        "earlier optimum 2",
    ),
    "a device first": (ContenderId(ContenderKind.FIRST, "openvino.f32"), "openvino.f32 first"),
}


@pytest.mark.parametrize(("id_", "text"), KINDS.values(), ids=KINDS.keys())
def test_what_contenders_are_called(id_: ContenderId, text: str) -> None:
    assert str(id_) == text


def test_a_single_run_is_where_no_stream_is() -> None:
    id_ = ContenderId(ContenderKind.SINGLE, "cpu", replicas=2, hosting="processes")
    assert id_.plain == ContenderId(ContenderKind.SINGLE, "cpu")
    earlier = ContenderId(ContenderKind.EARLIER, attempt=2, hosting="processes")
    assert earlier.plain == ContenderId(ContenderKind.EARLIER, attempt=2)


def test_an_optimum_that_is_one_device_goes_by_the_device_and_is_still_the_optimum() -> None:
    shipped = mixed().planned.shipped
    optimum, alone = ContenderId(ContenderKind.OPTIMUM), ContenderId(ContenderKind.SINGLE, "cpu")
    both = replace(shipped, id=optimum, also=(alone,))
    assert (both.name, both.is_optimum, both.single_device) == ("cpu", True, "cpu")
    one = replace(shipped, id=optimum, also=())
    assert (one.name, one.is_optimum, one.single_device) == ("optimum", True, None)
    other = replace(shipped, id=alone, also=())
    assert (other.name, other.is_optimum, other.single_device) == ("cpu", False, "cpu")


def test_only_what_was_run_was_observed() -> None:
    planned = mixed().planned
    assert planned.observed_s == planned.shipped.median_s
    predicted = tuple(replace(each, accounting="predicted") for each in planned.contenders)
    assert replace(planned, contenders=predicted).observed_s is None


def test_the_program_of_a_stage_is_its_file() -> None:
    assert PlannedStage("variant-1/stage-000.onnx", (), ()).program == "variant-1/stage-000"


def test_the_profiled_shapes() -> None:
    planned = mixed().planned
    one = replace(planned.inputs[0], name="ids", shape=(1, 128))
    scalar = replace(planned.inputs[0], name="scale", shape=())
    assert replace(planned, inputs=(one, scalar)).profiled == "ids 1x128, scale scalar"


@pytest.mark.parametrize("at_s", [-1.0, float("nan"), float("inf"), 1e300])
def test_a_time_of_day_that_is_none(at_s: float) -> None:
    with pytest.raises(PlanError, match="no time of day"):
        Circumstances("gate", at_s)


@pytest.mark.parametrize(("replicas", "batch"), [((1024, 1), 1), ((1,), 1025)])
def test_a_stream_that_no_machine_has(replicas: tuple[int, ...], batch: int) -> None:
    with pytest.raises(PlanError, match="the most are 1024 and 1024"):
        PlannedStream(replicas, batch, 0.0, 0.0, "measured")
    assert PlannedStream((1023, 1), 1024, 0.0, 0.0, "measured").batch == 1024


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
