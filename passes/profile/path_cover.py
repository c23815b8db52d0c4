"""Meet every task with as few covers as possible: a set cover whose sets have to be compatible.

A *demand* says in which memories some nodes must run ("a in host, b in pim"). A *task* is met by
any one of its demands. A *cover* is a union of demands that do not contradict each other. The
search tries 0 covers, then 1, and so on, and for each number all ways to meet the tasks, beginning
with those that have the fewest demands: the first number that works is the smallest. A search that
takes too many steps counts as failed, and from there on the number is no longer proved to be the
smallest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

#: Node -> memory.
Demand: TypeAlias = Mapping[str, str]

#: Steps after which one number of covers is given up.
_MAX_STEPS = 20_000


@dataclass(frozen=True, slots=True)
class Covers:
    """The covers, and a lower bound on how many are needed."""

    covers: tuple[Demand, ...]
    lower_bound: int


def fewest_covers(tasks: Sequence[Sequence[Demand]]) -> Covers:
    """Meet every task, each of which has at least one demand."""
    scarcest_first = sorted(tasks, key=len)
    proven = True
    lower_bound = 0
    for count in range(len(tasks) + 1):
        search = _Search([{} for _ in range(count)])
        if search.meet(scarcest_first):
            return Covers(tuple(search.covers), lower_bound if not proven else count)
        proven = proven and search.steps <= _MAX_STEPS
        lower_bound = count + 1 if proven else lower_bound
    raise AssertionError("a cover for each task is always enough")


@dataclass(slots=True)
class _Search:
    """Depth-first search; `covers` are changed in place, and changed back on the way out."""

    covers: list[dict[str, str]]
    steps: int = 0

    def meet(self, tasks: Sequence[Sequence[Demand]]) -> bool:
        """Extend the covers until they meet `tasks`; False leaves them as they were."""
        if not tasks:
            return True
        first, rest = tasks[0], tasks[1:]
        if any(demand.items() <= cover.items() for cover in self.covers for demand in first):
            return self.meet(rest)
        for cover in self.covers:
            for demand in first:
                self.steps += 1
                if self.steps > _MAX_STEPS:
                    return False
                if any(cover.get(node, memory) != memory for node, memory in demand.items()):
                    continue
                added = demand.keys() - cover.keys()
                cover.update(demand)
                if self.meet(rest):
                    return True
                for node in added:
                    del cover[node]
            if not cover:  # the other empty covers would only repeat this one
                break
        return False
