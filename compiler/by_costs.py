"""Compare plans by their costs alone, and ship the best whose outputs are right."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from stagecut.compiler.compared import Compared
from stagecut.compiler.comparison import Spare
from stagecut.compiler.ir.contender import Contender
from stagecut.compiler.ir.errors import EngineError, StageFault
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.measurements import Measurements
from stagecut.passes.gate.build import Wrong, right
from stagecut.passes.gate.contenders import Proposal


def best_that_is_right(
    measurements: Measurements,
    rivals: Sequence[Proposal],
    predict: Callable[[Sequence[Proposal]], tuple[Contender, ...]],
    objective: Objective,
    tolerance: float | None,
    spare: Spare | None = None,
) -> Compared:
    """What is best as `predict` says is built and checked, and where it fails, what is best of the
    others. With a tolerance, all are. `spare` says whether a plan is to be made anew without what
    is wrong in it. Raises what was wrong with the last of them."""
    answers, right_elsewhere = measurements.answers, measurements.right_elsewhere
    if tolerance is not None:
        checked = right(answers.checked(rivals, tolerance), tolerance)
        close = predict([each.proposal for each in checked.built])
        compared = Compared.of(answers, close, checked.built, checked.dropped)
        return right_elsewhere.shipping(compared, rivals, objective, tolerance)
    left, dropped = list(rivals), list[str]()
    while True:
        contenders = predict(left)
        chosen = next(contender for contender in contenders if contender.chosen)
        proposal = next(each for each in left if each.id == chosen.id)
        error: EngineError
        try:
            checked = answers.checked([proposal], None)
            faults = answers.culprits(checked.wrong, None)
            if faults and spare is not None and spare(faults):
                return Compared((), (), faults=faults)
            found = next(iter(checked.wrong), None) or right_elsewhere(proposal, None)
            if not isinstance(found, Wrong):
                compared = Compared.of(answers, contenders, checked.built, dropped)
                return replace(compared, elsewhere=found)
            error, told = found.error, str(found)
        except StageFault as fault:
            error, told = fault, f"plan {proposal.name} is left out: {fault.problem}"
        left.remove(proposal)
        if not left:
            raise error
        dropped.append(told)
