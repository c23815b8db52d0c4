"""Find keys that stand twice in one JSON object, of which parsers silently keep the last."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NewType, TypeAlias

#: An object as its pairs, so that none is lost.
_Pairs = NewType("_Pairs", tuple[tuple[str, "_Json"], ...])
_Json: TypeAlias = "_Pairs | list[_Json] | str | float | None"


class _FoundError(Exception):
    """Raised while parsing: an object has a key twice."""


#: The end of a key; the end of a string may look like it, too.
_SPACED_END = re.compile(rb'"\s+:')


def repeated_key(text: str | bytes) -> str | None:
    """The path of the first key that repeats another, `nodes[3].run_s.pim`; None without any.

    `text` has to be JSON. Goes over all of it quickly, and again for the path.
    """
    try:
        _load(text, _refuse)
    except _FoundError:
        return next(iter(_repeated(_load(text, _pairs), "")))
    return None


def has_no_more_keys(text: str | bytes, keys: int) -> bool:
    """Whether `text`, which has to be JSON with this many different keys in its objects, has none
    that repeats another. Quick, and may say no where it should not: strings may look like keys."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if data.count(b":") == keys:  # every key has one; most texts have no other
        return True
    return data.count(b'":') + len(_SPACED_END.findall(data)) == keys


def _load(text: str | bytes, hook: Callable[[list[tuple[str, Any]]], Any]) -> Any:
    """Parse `text` with `hook` for objects; numbers are not converted, as only keys matter."""
    return json.loads(text, object_pairs_hook=hook, parse_int=len, parse_float=len)


def _refuse(pairs: Sequence[tuple[str, object]]) -> None:
    if len(dict(pairs)) < len(pairs):
        raise _FoundError


def _pairs(pairs: Iterable[tuple[str, "_Json"]]) -> _Pairs:
    return _Pairs(tuple(pairs))


def _repeated(part: "_Json", path: str) -> Iterable[str]:
    if isinstance(part, list):
        for index, item in enumerate(part):
            yield from _repeated(item, f"{path}[{index}]")
    elif isinstance(part, tuple):
        seen: set[str] = set()
        for key, item in part:
            where = f"{path}.{key}" if path else key
            if key in seen:
                yield where
            seen.add(key)
            yield from _repeated(item, where)
