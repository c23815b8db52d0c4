"""What is measured in tests is measured briefly: figures have to be there, and need not be sure."""

import pytest

from stagecut.compiler import batch_race, circumstances
from stagecut.passes.gate import stream_gate

#: Of streams, a fifth of the usual. Each replica has a few inputs in any turn, however short.
_TURN_S = 0.05
_USUAL = circumstances.ATTEMPTS


def take_short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no second ones: tests run beside each other, where no moment is quiet."""
    for module in (stream_gate, batch_race):
        monkeypatch.setattr(module, "TURN_S", _TURN_S)
    monkeypatch.setattr(circumstances, "ATTEMPTS", dict.fromkeys(_USUAL, 1))


def try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As often as users do."""
    monkeypatch.setattr(circumstances, "ATTEMPTS", _USUAL)
