"""Make many objects of one frozen dataclass at once, from a column for each of its fields.

A frozen dataclass takes a microsecond and more to construct itself, field by field, which counts
where there are millions. Here the fields of all are set one after the other, without a line of
Python for each object.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import fields
from itertools import repeat
from typing import TypeVar

T = TypeVar("T")


def in_bulk(kind: type[T], count: int, **columns: Iterable[object]) -> list[T]:
    """`count` objects of `kind`, a dataclass with slots; each column has an entry for each of them.

    All fields have a column, as there are no defaults, and nothing is checked: `kind` has no
    `__post_init__`.
    """
    if hasattr(kind, "__post_init__") or {*columns} != {each.name for each in fields(kind)}:  # type: ignore[arg-type]
        raise AssertionError(f"{kind.__name__} cannot be made of {', '.join(columns)}")
    made: list[T] = [*map(object.__new__, repeat(kind, count))]
    for name, column in columns.items():
        # as `object.__setattr__` does, for which a frozen dataclass has no other name
        deque(map(vars(kind)[name].__set__, made, column), maxlen=0)
    return made
