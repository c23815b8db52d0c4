"""Pydantic's adapters, one for each type: to make one takes milliseconds, longer than to use it."""

from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter

Kept = TypeVar("Kept")


def adapter_of(kept: type[Kept]) -> TypeAdapter[Kept]:
    """The same one each time."""
    of: Any = kept  # mypy takes a type of values for one that cannot be looked up
    found: TypeAdapter[Kept] = _made(of)
    return found


@cache
def _made(of: Any) -> TypeAdapter[Any]:
    return TypeAdapter(of)
