"""A machine that is taken to be quiet, whatever else it does."""

from collections.abc import Callable
from typing import TypeVar

import pytest

from stagecut.compiler import comparison, kept_profile, stream_field
from stagecut.compiler.context import Settings
from stagecut.compiler.ir.provenance import Circumstances

Found = TypeVar("Found")


def take_what_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure once and keep the figures. Tests run beside each other: what is measured there is
    noisy, and would be measured again and not be kept."""
    for module in (kept_profile, comparison, stream_field):
        monkeypatch.setattr(module, "quietest", _first)


def _first(
    what: str,
    settings: Settings,
    measure: Callable[[], Found],
    unrest: Callable[[Found], str],  # as in circumstances.quietest
) -> tuple[Found, Circumstances]:
    return measure(), Circumstances(what, settings.now())
