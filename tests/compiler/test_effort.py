"""More effort is more runs."""

from collections.abc import Mapping
from itertools import pairwise

import pytest

from stagecut.compiler.context import EFFORTS, Effort
from stagecut.compiler.effort import GATE_ROUNDS, PROFILE_ROUNDS, STREAM_ROUNDS
from stagecut.passes.profile.rounds import Rounds

EVERY = {"profile": PROFILE_ROUNDS, "gate": GATE_ROUNDS, "streams": STREAM_ROUNDS}


@pytest.mark.parametrize("rounds", EVERY.values(), ids=EVERY)
def test_more_effort_is_never_fewer_runs(rounds: Mapping[Effort, Rounds]) -> None:
    assert set(rounds) == set(EFFORTS)
    for less, more in pairwise(rounds[effort] for effort in EFFORTS):
        assert (less.least, less.most, less.budget_s) <= (more.least, more.most, more.budget_s)
