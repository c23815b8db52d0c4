"""Each stage gets the program of its nodes, in their order, and hands on what is wanted."""

from collections.abc import Sequence

import pytest

from stagecut.compiler.ir.account import Account, StepAccount
from stagecut.compiler.ir.machine import Basis
from stagecut.compiler.ir.schedule import Schedule
from stagecut.passes.stage.stage import stage
from tests.support.borders import Borders
from tests.support.graphs import graph
from tests.support.staged import staged

#: A model, a schedule of it, and what each program reads and writes.
CASES = {
    "a stage hands on what is read outside": (
        "g (float[2] x) => (float[2] y) { [a] u = Relu(x)  [b] y = Tanh(u) }",
        "run p: a\nrun q: b",
        ["stage-000: (%x) -> %u:float32[2]", "stage-001: (%u) -> %y:float32[2]"],
    ),
    "and nothing else": (
        "g (float[2] x) => (float[2] y) { [a] u = Relu(x)  [b] v = Tanh(u)  [c] y = Exp(v) }",
        "run p: a, b\nrun q: c",
        ["stage-000: (%x) -> %v:float32[2]", "stage-001: (%v) -> %y:float32[2]"],
    ),
    "an output that is read inside is handed back, too": (
        "g (float[2] x) => (float[2] u, float[2] y) { [a] u = Relu(x)  [b] y = Tanh(u) }",
        "run p: a, b",
        ["stage-000: (%x) -> %u:float32[2], %y:float32[2]"],
    ),
    "nodes run in the schedule's order, not in the graph's": (
        """g (float[2] x, float[2] z) => (float[2] y, float[2] w)
        { [a] u = Relu(x)  [b] v = Exp(z)  [c] y = Tanh(u)  [d] w = Sigmoid(v) }""",
        "run p: b, d\nrun q: a, c",
        ["stage-000: (%z) -> %w:float32[2]", "stage-001: (%x) -> %y:float32[2]"],
    ),
}


@pytest.mark.parametrize(("model", "schedule", "expected"), CASES.values(), ids=CASES.keys())
def test_programs(model: str, schedule: str, expected: list[str]) -> None:
    found = staged(model, schedule)
    assert str(found).splitlines() == [*schedule.splitlines(), *expected]
    for part, program in zip(found.schedule.stages, found.programs, strict=True):
        assert [node.name for node in program.model.graph] == [*part.nodes]


def test_modelled_steps_count_for_what_they_take_by_the_account() -> None:
    drawn = graph("x", "a = Relu(x)\nb = Tanh(a)", "b")
    schedule = Schedule.parse("run cpu: a\ntransfer a: host > pim\nrun pim: b")
    bases: Sequence[Basis] = ("measured", "modelled", "modelled")
    steps = tuple(StepAccount(float(at), basis) for at, basis in enumerate(bases, start=1))
    costs = Account(steps, 6.0, None, "modelled", {}, {})
    found = stage(drawn, schedule, costs, Borders(), "fallback")
    assert found.modelled_s == (None, 2.0, 3.0)
    assert [program.name for program in found.programs] == ["fallback-000", "fallback-001"]
    assert [program.outputs[0].name for program in found.programs] == ["a", "b"]
