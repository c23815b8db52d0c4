"""All take turns, in an order that is new in each round, in heats and then in a final.

Of a dozen that are as fast as each other, one has the best median of a few turns by chance, and a
plan that is as fast as that one would seem slower. So the heats tell who is the plan's best rival,
and turns of their own, the final, tell how the two compare.
"""

import random
import time
from collections.abc import Sequence

from benchmarks.throughput.rival import Rival

#: Before each turn; threads of ONNX Runtime and of OpenMP spin for a while after a run.
REST_S = 0.05
#: Whoever lets less than this part of the best through has no more heats after a few.
FAR_BEHIND = 0.75
#: Whoever lets this part of the best through in the heats is in the final, with the plan.
NEAR = 0.97


def take_turns(plan: Rival, others: Sequence[Rival], heats: int, final: int) -> None:
    order = random.Random(0)  # noqa: S311  # nothing secret
    racing = [plan, *others]
    for rival in racing:
        rival.warm_up()
    for done in range(heats):
        if done == 2:
            kept = ("stagecut", "ONNX Runtime, 1 session x", "torch eager")
            racing = _near(racing, FAR_BEHIND, kept)
        for rival in order.sample(racing, len(racing)):
            time.sleep(REST_S)
            rival.heats.append(rival.take_turn())
    finalists = [plan, *_near(others, NEAR)]
    for _ in range(final):
        for rival in order.sample(finalists, len(finalists)):
            time.sleep(REST_S)
            rival.final.append(rival.take_turn())


def _near(rivals: Sequence[Rival], part: float, kept: tuple[str, ...] = ()) -> list[Rival]:
    """Those that let that part of the best through, and those called so."""
    best = max(rival.in_heats for rival in rivals)
    return [each for each in rivals if each.in_heats >= part * best or each.name.startswith(kept)]
