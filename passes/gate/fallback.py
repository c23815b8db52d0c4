"""What to run where a plan's engines are missing: the best contender on ONNX Runtime alone."""

from collections.abc import Collection, Sequence
from itertools import chain

from stagecut.compiler.ir.contender import Contender
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.objective import Objective
from stagecut.passes.gate.contenders import Proposal, on_one_device, proposal_of


def fallback(
    proposals: Sequence[Proposal],
    contenders: Sequence[Contender],
    costs: CostTable,
    objective: Objective,
    always: Collection[str],
) -> Proposal | None:
    """None where the plan that ships runs on ONNX Runtime itself, or no device of it can run all.

    `always` are the devices that are there with stagecut itself. Its devices are as they usually
    are: a plan has one configuration of each. Where rules keep every contender off ONNX Runtime, it
    is the best by `costs`, the table before the rules: a rule names an engine that is missing when
    this runs.
    """
    able = {
        contender.id: proposal
        for contender in contenders
        if _devices(proposal := proposal_of(proposals, contender.id)) <= {*always}
    }
    if any(contender.chosen and contender.id in able for contender in contenders):
        return None
    plain = [each for each in contenders if each.id in able and not each.id.configuration]
    best = min(plain, key=lambda contender: contender.median_s, default=None)
    if best is not None:
        return able[best.id]
    names = sorted({*always} & {*costs.machine.device_named})
    ways = chain.from_iterable(on_one_device(costs, name, objective) for name in names)
    return min(ways, key=lambda each: each.account.latency_s, default=None)


def _devices(proposal: Proposal) -> set[str]:
    return {stage.device for stage in proposal.schedule.stages}
