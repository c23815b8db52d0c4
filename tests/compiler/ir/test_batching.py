"""Inputs that are stacked on axis 0: which can be, what that makes of shapes, and where it runs."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.batching import batching_problem, for_batches, stacked
from stagecut.compiler.ir.graph import ANY_RANK, Dims
from stagecut.compiler.ir.planned_stream import PlannedStream
from stagecut.compiler.ir.port import InputPort, Port
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
    stream = PlannedStream((1,), 4, 0.1, 0.1, "measured")
    assert for_batches([single, batched]) == set()
    assert for_batches([replace(single, stream=stream), batched]) == {1}
    assert for_batches([replace(single, stream=replace(stream, batch=2)), batched]) == set()
