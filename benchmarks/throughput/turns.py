"""All take turns, in an order that is new in each round; who is far behind leaves after a few."""

import random
import time
from collections.abc import Sequence

from benchmarks.throughput.rival import Rival

#: Before each turn; threads of ONNX Runtime and of OpenMP spin for a while after a run.
REST_S = 0.05
#: Whoever lets less than this part of the best through has no more turns after a few.
FAR_BEHIND = 0.75


def take_turns(rivals: Sequence[Rival], rounds: int) -> None:
    order = random.Random(0)  # noqa: S311  # nothing secret
    for rival in rivals:
        rival.warm_up()
    racing = list(rivals)
    for done in range(rounds):
        if done == 2:
            best = max(rival.median for rival in racing)
            kept = ("stagecut", "ONNX Runtime, 1 session x", "torch eager")
            racing = [
                each
                for each in racing
                if each.median >= FAR_BEHIND * best or each.name.startswith(kept)
            ]
        for rival in order.sample(racing, len(racing)):
            time.sleep(REST_S)
            rival.take_turn()
