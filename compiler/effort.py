"""How often what is measured is repeated, by how long a compile may take."""

from collections.abc import Mapping

from stagecut.compiler.context import Effort
from stagecut.passes.profile.rounds import Rounds

#: How often profile paths and contenders run, by effort.
PROFILE_ROUNDS: Mapping[Effort, Rounds] = {
    "quick": Rounds(least=1, most=4, budget_s=0.5),
    "normal": Rounds(least=2, most=6, budget_s=1.5, counted=3),
    "thorough": Rounds(),
}
GATE_ROUNDS: Mapping[Effort, Rounds] = {
    "quick": Rounds(least=1, most=5, budget_s=1.0, counted=3),
    "normal": Rounds(least=2, most=11, budget_s=3.0, counted=3),
    "thorough": Rounds(least=5, most=17, budget_s=8.0, counted=3),
}

#: So many runs of the whole model at most tell the errors of its nodes, by effort: neighbours
#: share one where there are more.
ERROR_RUNS: Mapping[Effort, int] = {"quick": 32, "normal": 96, "thorough": 192}

#: How long HiGHS may search under a budget, by effort: stages that start one after the other leave
#: a gap that it rarely closes, and the certificate says how large that is.
SEARCH_S: Mapping[Effort, float] = {"quick": 2.0, "normal": 5.0, "thorough": 15.0}

#: So many schedules at most are on the front of time against error, by effort; and whether each is
#: built, and measured on held-out samples, which takes longer than all else that is told of it.
FRONT_POINTS: Mapping[Effort, int] = {"quick": 0, "normal": 5, "thorough": 10}
FRONT_MEASURED: Mapping[Effort, bool] = {"quick": False, "normal": False, "thorough": True}

#: How often streams take turns, by effort.
STREAM_ROUNDS: Mapping[Effort, Rounds] = {
    "quick": Rounds(least=1, most=3, budget_s=2.0),
    "normal": Rounds(least=2, most=8, budget_s=6.0),
    "thorough": Rounds(least=5, most=17, budget_s=20.0),
}
