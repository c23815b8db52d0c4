"""How far a long step has come: an iterator that somebody may be watching."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Progress(Protocol):
    """Yields `items` as they are; `total` says how many there are where it is not plain."""

    def __call__(
        self, items: Iterable[Item], label: str, total: int | None = None
    ) -> Iterator[Item]: ...


def silent(
    items: Iterable[Item],
    label: str,  # noqa: ARG001  # nobody watches
    total: int | None = None,  # noqa: ARG001
) -> Iterator[Item]:
    """Progress that nobody sees."""
    return iter(items)
