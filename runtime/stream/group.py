"""Inputs that go through stages of a variant together, stacked where there are several.

x: 1x8, 1x8, 2x8   ->   4x8   ->  stages  ->   4x3   ->   y: 1x3, 1x3, 2x3

Where the next stage takes more inputs in a call, several groups become one; where it takes one,
each goes on alone, with its rows of what all were handed, which are not copied.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

import numpy as np

from stagecut.compiler.ir.batching import stacked
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import CrashFault, EngineError, ModelError, RangeFault
from stagecut.runtime.executor import Passage
from stagecut.runtime.stream.item import Item, Outputs
from stagecut.runtime.unprofiled_shapes import Shapes


class Group:
    """Items of one variant and of the same shapes; none where nobody wants them any more.

    They are where each of them has `come`, all in a group of as many, each in one of its own, or
    one in a group of several; or else at the beginning.
    """

    def __init__(self, items: Sequence[Item], come: Sequence["tuple[Group, int]"] = ()) -> None:
        self.items: Sequence[Item] = items
        self._come = come
        self._passage: Passage | None = None
        self._apart = False

    @classmethod
    def of(cls, items: Sequence[Item]) -> "Group":
        """Those that are in a call: the group in which they were in the one before, where it is
        theirs alone; in their first one, those that are still wanted."""
        before = [item.group for item in items]
        first = before[0]
        if first is None:
            found = cls([item for item in items if item.begins()])
        elif all(each is first for each in before) and {*first.items} <= {*items}:
            return first
        else:
            wanted = [(one, one.group) for one in items if one.group and one in one.group.items]
            come = [(group, group.items.index(one)) for one, group in wanted]
            found = cls([one for one, _ in wanted], come)
        for item in items:
            item.group = found
        return found

    def advance(self, *, to_end: bool = False) -> Sequence[Outputs | BaseException] | None:
        """Run the next stage, or all that are left; behind the last one, what became of each item.

        Where the stage fails, each item is run by itself, as `Session.run` would: what it then has
        is the answer, or the error, that it has there. What took a process down is not run in this
        one, and all that were in it have the error.
        """
        if not self.items:
            return []
        has_come = bool(self._come)  # with rows that are cut out of those of several
        if self._is_short:
            self._apart = True
            return [*map(_alone, self.items)]
        try:
            outputs = self._advanced(to_end=to_end)
            return None if outputs is None else [*self._answers(outputs)]
        except CrashFault as error:
            return [error] * len(self.items)
        except BaseException as error:  # it belongs to the items, whatever it is
            if len(self.items) == 1 and not (has_come or self._may_run_otherwise(error)):
                return [error]
        return [*map(_alone, self.items)]  # no frame of ours between, where errors would be kept

    @property
    def _is_short(self) -> bool:
        """Whether it was to be a full batch, of which some were cancelled: only for these are there
        stages, and only these were checked."""
        if len(self.items) == 1 or self._come or self._passage is not None:
            return False
        variant = self.items[0].variant
        full = 1 if variant.stream is None else variant.stream.batch
        return variant.has_full_batches and len(self.items) < full

    def calls(self, start_s: float, end_s: float) -> Iterator[tuple[int, tuple[float, float]]]:
        """How many inputs ran in each call between these times, and when: one call, unless what was
        left of a batch ran one by one."""
        count = len(self.items)
        if not self._apart:
            yield count, (start_s, end_s)
            return
        step_s = (end_s - start_s) / count
        for at in range(count):
            yield 1, (start_s + at * step_s, start_s + (at + 1) * step_s)

    def _advanced(self, *, to_end: bool) -> Feeds | None:
        """The outputs of all together; None where there are further stages."""
        if self._come:
            self._passage = self._joined()
        elif self._passage is None:
            feeds, shapes = self._stacked()
            variant = self.items[0].variant
            if not variant.passes(shapes):
                return variant.outputs(feeds, shapes)
            self._passage = variant.passage(feeds, shapes)
        while not self._passage.advance():
            if not to_end:  # batches may have more stages than single inputs have
                return None
        return self._passage.outputs()

    def _joined(self) -> Passage:
        passages = [group.passage_of(at) for group, at in self._come]
        self._come = ()  # what others still need of these groups they keep
        return passages[0] if len(passages) == 1 else self.items[0].variant.joined(passages)

    def passage_of(self, at: int) -> Passage:
        """That of the item of this number, which goes on without the others."""
        if self._passage is None:
            raise AssertionError("it has begun")
        count = len(self.items)
        return (
            self._passage if count == 1 else self.items[at].variant.part(self._passage, at, count)
        )

    def answer(self, results: Sequence[Outputs | BaseException]) -> None:
        """Tell each item what became of it, and forget them: errors have this group in them."""
        items, self.items = self.items, ()
        for item, result in zip(items, results, strict=True):
            item.answer(result)

    def _stacked(self) -> tuple[Feeds, Shapes]:
        first = self.items[0]
        if len(self.items) == 1:
            return first.feeds, first.shapes
        feeds = {
            name: np.concatenate([item.feeds[name] for item in self.items]) for name in first.feeds
        }
        return feeds, stacked(first.shapes, len(self.items))

    def _answers(self, outputs: Feeds) -> Iterator[Outputs]:
        if len(self.items) == 1:
            yield self.items[0].handed_back(outputs)
            return
        ends = [0, *accumulate(item.shapes[0][0] for item in self.items)]
        for name, tensor in outputs.items():
            if not tensor.ndim or len(tensor) != ends[-1]:
                raise EngineError(f"{name} has other rows than the inputs", fix="run them singly")
        for item, (start, end) in zip(self.items, pairwise(ends), strict=True):
            yield item.handed_back({name: each[start:end] for name, each in outputs.items()})

    def _may_run_otherwise(self, error: BaseException) -> bool:
        """On the fallback, or with stages for just these shapes."""
        item = self.items[0]
        unprofiled = item.shapes != item.variant.shapes
        return isinstance(error, RangeFault) or (
            unprofiled and isinstance(error, EngineError | ModelError)
        )


def _alone(item: Item) -> Outputs | BaseException:
    try:
        return item.handed_back(item.variant.outputs(item.feeds, item.shapes))
    except BaseException as error:  # it belongs to this item
        return error
    finally:
        del item  # or else an error would keep itself alive, by its traceback
