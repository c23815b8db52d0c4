"""Inputs that are run together have the answers, and the errors, that they have alone."""

from collections.abc import Sequence

import numpy as np
import pytest

from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.errors import CrashFault, EngineError, RangeFault, StageFault
from stagecut.runtime.stream.group import Group
from stagecut.runtime.stream.item import Outputs
from tests.support.fake_variant import FakeVariant, item, stream_of


def _double(array: Tensor) -> Tensor:
    return array * 2


def _answers(results: Sequence[Outputs | BaseException] | None) -> list[object]:
    assert results is not None
    return [each if isinstance(each, BaseException) else each[0].tolist() for each in results]


def test_a_stage_at_a_time() -> None:
    group = Group([item(FakeVariant(_double, _double, _double), 3)])
    assert group.advance() is None
    assert group.advance() is None
    assert _answers(group.advance()) == [[24]]


def test_several_are_stacked_and_each_gets_its_own_rows_back() -> None:
    seen: list[list[float]] = []

    def stage(array: Tensor) -> Tensor:
        seen.append(array.tolist())
        return array * 2

    variant = FakeVariant(stage)
    items = [item(variant, 1, 2), item(variant, 3, 4), item(variant, 5, 6)]
    assert _answers(Group(items).advance()) == [[2, 4], [6, 8], [10, 12]]
    assert seen == [[1, 2, 3, 4, 5, 6]]


def test_several_become_one_where_the_next_stage_takes_more() -> None:
    seen: list[list[float]] = []

    def second(array: Tensor) -> Tensor:
        seen.append(array.tolist())
        return array + 1

    variant = FakeVariant(_double, second, _double)
    items = [item(variant, number) for number in (1, 2, 3)]
    for one in items:
        assert Group.of([one]).advance() is None
    together = Group.of(items)
    assert together.advance() is None
    assert Group.of(items) is together
    assert _answers(together.advance()) == [[6], [10], [14]]
    assert seen == [[2, 4, 6]]


def test_each_goes_on_alone_where_the_next_stage_takes_one_with_rows_that_are_not_copied() -> None:
    made: list[Tensor] = []
    seen: list[Tensor] = []

    def first(array: Tensor) -> Tensor:
        made.append(array * 2)
        return made[0]

    def second(array: Tensor) -> Tensor:
        seen.append(array)
        return array + 1

    variant = FakeVariant(first, second, _double)
    items = [item(variant, number) for number in (1, 2, 3)]
    assert Group.of(items).advance() is None
    alone = [Group.of([one]) for one in items]
    assert [each.advance() for each in alone] == [None] * 3
    assert [Group.of([one]) for one in items] == alone
    assert [_answers(each.advance()) for each in alone] == [[[6]], [[10]], [[14]]]
    assert all(each.base is made[0] for each in seen)


def test_what_cannot_be_put_together_runs_singly() -> None:
    variant = FakeVariant(lambda array: array[:, None] if array[0] > 1 else array, _double)
    items = [item(variant, number) for number in (1, 2)]
    for one in items:
        Group.of([one]).advance()
    assert _answers(Group.of(items).advance()) == [[2], [[4]]]
    assert variant.ran_alone == 2


@pytest.mark.parametrize("count", [2, 3])
def test_who_is_no_longer_wanted_does_not_go_on_alone(count: int) -> None:
    ran: list[list[float]] = []

    def second(array: Tensor) -> Tensor:
        ran.append(array.tolist())
        return array + 1

    variant = FakeVariant(_double, second)
    items = [item(variant, number) for number in range(count)]
    items[0].future.cancel()
    assert Group.of(items).advance() is None
    answers = [Group.of([one]).advance() for one in items]
    assert answers[0] == []
    assert [_answers(each) for each in answers[1:]] == [[[2 * n + 1]] for n in range(1, count)]
    assert ran == [[2.0 * n] for n in range(1, count)]


def test_who_is_no_longer_wanted_is_not_put_together_with_others() -> None:
    variant = FakeVariant(_double, _double, _double)
    items = [item(variant, number) for number in (1, 2, 3)]
    items[1].future.cancel()
    for one in items:
        Group.of([one]).advance()
    together = Group.of(items)
    assert [*together.items] == [items[0], items[2]]
    assert together.advance() is None
    assert Group.of(items) is together
    assert _answers(together.advance()) == [[8], [24]]


def test_who_is_no_longer_wanted_is_in_no_call() -> None:
    variant = FakeVariant(_double, _double)
    items = [item(variant, number) for number in (1, 2)]
    items[0].future.cancel()
    group = Group.of(items)
    assert [*group.items] == items[1:]
    assert group.advance() is None
    assert Group.of(items) is group
    assert _answers(group.advance()) == [[8]]
    assert Group.of([cancelled := item(variant, 3)]).items == [cancelled]


def test_what_is_left_of_a_full_batch_runs_one_by_one() -> None:
    """Where stages were made for full ones: others would have to be made, and nobody checked
    them."""
    variant = FakeVariant(_double, _double, stream=stream_of(1, 1, batch=3))
    variant.has_full_batches = True
    items = [item(variant, number) for number in (1, 2, 3)]
    items[1].future.cancel()
    group = Group.of(items)
    assert _answers(group.advance()) == [[4], [12]]
    assert variant.ran_alone == 2
    assert [*group.calls(0.0, 4.0)] == [(1, (0.0, 2.0)), (1, (2.0, 4.0))]


def test_a_full_batch_is_one_call() -> None:
    variant = FakeVariant(_double, stream=stream_of(1, batch=2))
    variant.has_full_batches = True
    group = Group([item(variant, number) for number in (1, 2)])
    assert _answers(group.advance()) == [[2], [4]]
    assert [*group.calls(0.0, 4.0)] == [(2, (0.0, 4.0))]


def test_of_several_only_the_one_that_fails_has_the_error() -> None:
    def stage(array: Tensor) -> Tensor:
        if (array < 0).any():
            raise StageFault("no roots", stage=0, device="cpu")
        return np.sqrt(array)

    variant = FakeVariant(_double, stage)
    group = Group([item(variant, number) for number in (2, -2, 8)])
    assert group.advance() is None
    first, error, last = _answers(group.advance())
    assert (first, last) == ([2], [4])
    assert isinstance(error, StageFault)
    assert variant.ran_alone == 3


def test_before_it_is_known_how_stages_run_at_a_shape_everything_runs_at_once() -> None:
    variant = FakeVariant(_double, _double)
    variant.passing = False
    assert _answers(Group([item(variant, 1), item(variant, 2)]).advance()) == [[4], [8]]
    assert variant.ran_alone == 1


def test_outputs_with_other_rows_than_the_inputs_are_not_cut_but_made_anew() -> None:
    variant = FakeVariant(lambda array: array.sum(keepdims=True))
    items = [item(variant, 1, 2), item(variant, 3, 4)]
    assert _answers(Group(items).advance()) == [[3], [7]]
    assert variant.ran_alone == 2


def test_what_took_a_process_down_is_not_run_in_this_one() -> None:
    def stage(_: Tensor) -> Tensor:
        raise CrashFault("the process in which it ran crashed", stage=0, device="cpu")

    variant = FakeVariant(stage)
    results = Group([item(variant, number) for number in (1, 2, 3)]).advance()
    assert results is not None
    assert [type(each) for each in results] == [CrashFault] * 3
    assert variant.ran_alone == 0


#: What the stage raises, the input -> whether it is run again by itself.
AGAIN = {
    "an engine that fails": (StageFault("no", stage=0, device="cpu"), (1,), False),
    "numbers that an engine cannot hold": (RangeFault("big", stage=0, device="cpu"), (1,), True),
    "another shape": (StageFault("no", stage=0, device="cpu"), (1, 1), True),
    "another shape, a bug": (ZeroDivisionError(), (1, 1), False),
}


@pytest.mark.parametrize(("error", "numbers", "again"), AGAIN.values(), ids=AGAIN.keys())
def test_one_that_fails_runs_again_where_that_may_help(
    error: Exception, numbers: tuple[float, ...], again: bool
) -> None:
    def stage(array: Tensor) -> Tensor:
        if variant.ran_alone:
            return array
        raise error

    variant = FakeVariant(stage)
    expected: object = [*numbers] if again else error
    assert _answers(Group([item(variant, *numbers)]).advance()) == [expected]


def test_an_interrupt_of_an_engine_is_an_answer_like_any_other() -> None:
    def stage(array: Tensor) -> Tensor:
        raise SystemExit(3)

    variant = FakeVariant(stage)
    for count in (1, 2):
        results = Group([item(variant, 1) for _ in range(count)]).advance()
        assert [type(each) for each in results or ()] == [SystemExit] * count


def test_nobody_wants_it() -> None:
    assert Group([]).advance() == []


def test_what_does_not_stack_runs_singly() -> None:
    variant = FakeVariant(_double)
    items = [item(variant, 1), item(variant, 2)]
    items[1].feeds = {"x": np.array([[2.0]])}
    assert _answers(Group(items).advance()) == [[2], [[4]]]


def test_the_error_of_a_group_names_what_is_wrong() -> None:
    variant = FakeVariant(lambda array: array.sum(keepdims=True))
    group = Group([item(variant, 1), item(variant, 2)])
    with pytest.raises(EngineError, match="y has other rows than the inputs"):
        [*group._answers({"y": np.zeros(3)})]
