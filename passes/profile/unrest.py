"""How far apart the times of the same node lie: what a noisy machine does to a profile."""

from stagecut.compiler.ir.costs import CostTable

#: The middle half of a node's times may span this part of its median.
_MOST = 0.25

#: Models that take less are never quiet: a thread that wakes up makes that much of a difference.
_BRIEF_S = 1e-3

#: Fewer runs have no middle half to speak of.
_RUNS = 8


def unrest(costs: CostTable) -> str:
    """What is odd about the nodes' times, for people; empty where nothing is.

    Long nodes count for more: times of a few microseconds are never quiet.
    """
    measured = [
        (node.run_s[device], spread.p75_s - spread.p25_s)
        for node in costs.nodes
        for device, spread in node.run_spread.items()
        if spread.runs >= _RUNS
    ]
    total_s = sum(median_s for median_s, _ in measured)
    if total_s <= _BRIEF_S:
        return ""
    apart = sum(width_s for _, width_s in measured) / total_s
    if apart <= _MOST:
        return ""
    return f"the middle halves of the nodes' times span {apart:.0%} of their medians"
