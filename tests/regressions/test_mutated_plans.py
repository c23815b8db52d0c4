"""A few of the mutants of `benchmarks/fuzz_plans.py`: whatever a plan file says, no step fails."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.mutants import KINDS, mutate
from tests.support.plan_steps import FINE, REFUSED, Reference, outcomes
from tests.support.small_plans import small_plans

#: Mutants that once ended in a traceback, or in a crash of the engine, each of which plan; and a
#: first few.
SHOWN = ((40, 1), (74, 2), (92, 2), (156, 0), (271, 1), (1068, 0), (1405, 1), (6795, 0), (2710, 0))
FIRST = tuple((number, number % 5) for number in range(15))


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Reference]]:
    return [*small_plans(tmp_path_factory.mktemp("plans"))]


@pytest.mark.filterwarnings("ignore::UserWarning")  # of onnx, about programs that are none
@pytest.mark.parametrize(("number", "of"), [*FIRST, *SHOWN])
def test_no_step_ends_in_a_fault(
    tmp_path: Path, plans: list[tuple[Path, Reference]], number: int, of: int
) -> None:
    plan, reference = plans[of]
    mutant = tmp_path / "mutant.plan"
    kind = mutate(mutant, plan, number)
    endings = outcomes(mutant, reference, changes_numbers=KINDS[kind].changes_numbers)
    assert [(step, ending) for step, ending in endings if ending not in {FINE, REFUSED}] == []


def test_plans_that_are_not_changed_go_through_every_step(
    plans: list[tuple[Path, Reference]],
) -> None:
    taken = [dict(outcomes(path, reference, changes_numbers=False)) for path, reference in plans]
    assert {ending for endings in taken for ending in endings.values()} == {FINE}
    assert [len(endings) for endings in taken] == [18, 18, 18, 18, 15]


def test_a_mutant_is_the_same_each_time(
    tmp_path: Path, plans: list[tuple[Path, Reference]]
) -> None:
    def written() -> Iterator[bytes]:
        for number in range(30):
            mutate(tmp_path / "x.plan", plans[0][0], number)
            yield (tmp_path / "x.plan").read_bytes()

    assert [*written()] == [*written()]
