"""What to run where a plan's engines are missing: the best contender on ONNX Runtime alone."""

from collections.abc import Sequence

from stagecut.compiler.ir.plan import Contender
from stagecut.passes.gate.contenders import Proposal, proposal_of

#: Devices that come with stagecut itself.
_ALWAYS = frozenset({"cpu.serial", "cpu.parallel"})


def fallback(proposals: Sequence[Proposal], contenders: Sequence[Contender]) -> Proposal | None:
    """None where the plan that ships runs on ONNX Runtime itself, or no contender does.

    Its devices are as they usually are: a plan has one configuration of each.
    """
    able = {
        contender.id: proposal
        for contender in contenders
        if _devices(proposal := proposal_of(proposals, contender.id)) <= _ALWAYS
    }
    if any(contender.chosen and contender.id in able for contender in contenders):
        return None
    plain = [each for each in contenders if each.id in able and not each.id.configuration]
    best = min(plain, key=lambda contender: contender.median_s, default=None)
    return None if best is None else able[best.id]


def _devices(proposal: Proposal) -> set[str]:
    return {stage.device for stage in proposal.schedule.stages}
