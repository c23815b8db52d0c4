"""Progress that a test looks at."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Watched:
    """Counts by label what has been begun."""

    begun: dict[str, int] = field(default_factory=dict)

    def __call__(
        self, items: Iterable[Item], label: str, total: int | None = None
    ) -> Iterator[Item]:
        for item in items:
            self.begun[label] = self.begun.get(label, 0) + 1
            yield item
