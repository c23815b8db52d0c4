"""Measure in a quiet moment: again where it was none, as often as the effort allows.

A decision that was made while other work took the CPUs is none: it is used, as there is no better,
but said to be so, and not kept for the next compile.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from stagecut.compiler.context import Effort, Settings
from stagecut.compiler.ir.provenance import Circumstances
from stagecut.compiler.measure.foreign_load import ForeignLoad, foreign_load

Found = TypeVar("Found")

#: How often a measurement may be repeated in all, for want of quiet.
ATTEMPTS: Mapping[Effort, int] = {"quick": 1, "normal": 2, "thorough": 3}

#: Other work on more than this part of the CPUs is foreign load.
_TAKEN = 0.1

#: Threads of one's own wait for each other, too, so that more is needed to say that of others.
_WAITED = 0.25


def quietest(
    what: str, settings: Settings, measure: Callable[[], Found], unrest: Callable[[Found], str]
) -> tuple[Found, Circumstances]:
    """The first result of a quiet moment, else that with the least foreign load.

    `what` is measured, for people; `unrest` says what is odd about a result, empty where nothing
    is.
    """
    tried: list[tuple[Found, Circumstances]] = []
    for _ in range(ATTEMPTS[settings.effort]):
        before = settings.load()
        found = measure()
        load = foreign_load(before, settings.load())
        noise = "; ".join((*_loaded(load), *filter(None, [unrest(found)])))
        taken, waited = (None, None) if load is None else (load.taken, load.waited)
        tried.append((found, Circumstances(what, settings.now(), noise, taken, waited)))
        if not noise:
            return tried[-1]
    best = min(tried, key=lambda each: each[1].foreign_load or 0.0)
    settings.warn(f"the {what} was measured in a noisy moment and is not kept: {best[1].noise}")
    return best


def _loaded(load: ForeignLoad | None) -> Iterator[str]:
    if load is None:
        return
    if load.taken > _TAKEN:
        yield f"other work took {load.taken:.0%} of the CPUs"
    if load.waited is not None and load.waited > _WAITED:
        yield f"something waited for a CPU {load.waited:.0%} of the time"


def tell_age(known: Circumstances | None, settings: Settings) -> None:
    """Warn that something was measured in an earlier compile, where it is known when."""
    if known is not None:
        since = age(settings.now() - known.measured_at_s)
        settings.warn(f"the {known.what} is from the cache, measured {since} ago")


def age(seconds: float) -> str:
    """`3 hours`, of something that was measured so many seconds ago."""
    for unit, length_s in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length_s:
            number = int(seconds // length_s)
            return f"{number} {unit}{'s' if number > 1 else ''}"
    return "less than a minute"
