"""Streams take short turns in tests: figures have to be there, and need not be sure."""

import pytest

from stagecut.compiler import batch_race
from stagecut.passes.gate import stream_gate

#: A fifth of the usual. Each replica has a few inputs in any turn, however short.
_TURN_S = 0.05


def take_short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (stream_gate, batch_race):
        monkeypatch.setattr(module, "TURN_S", _TURN_S)
