"""The fallback of a plan, whose weights are those that ship, where it is right with them: so that
they are not there in full besides.

    ships       openvino.int8: y = MatMul(x, W in few bits)
    fallback    cpu.serial:    y = MatMul(x, W in full)      -> MatMul(x, W in few bits)
"""

from collections.abc import Sequence
from dataclasses import replace

import onnx_ir as ir

from stagecut.compiler.answers import Answers
from stagecut.compiler.ir.device import StagedSchedule, StageProgram
from stagecut.compiler.ir.errors import EngineError, MetricError
from stagecut.passes.gate.accuracy import Limit
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.stage.hold_as_in import hold_as_in


def with_weights_of(
    shipped: Sequence[StageProgram],
    proposal: Proposal,
    spare: StagedSchedule,
    answers: Answers,
    limit: Limit | None,
) -> tuple[StageProgram, ...]:
    """The programs of `spare`, which are those of `proposal`, as a plan stores them, with the
    weights of those that are `shipped` where it is then right within `limit`, that of what ships,
    as a contender has to be. Where it is not, or nothing can be said, they are in full."""
    own = answers.stored(spare)
    found = tuple(_holding(each, shipped) for each in own)
    if limit is None or all(each is before for each, before in zip(found, own, strict=True)):
        return own
    staged = replace(spare, programs=found)
    return found if _is_right(proposal, staged, answers, limit) else own


def _holding(program: StageProgram, shipped: Sequence[StageProgram]) -> StageProgram:
    """Itself where that makes no difference; what it holds in few bits of its own stays so."""
    model = program.model.clone()
    hold_as_in(model, [each.model for each in shipped])
    return program if _weights(model) == _weights(program.model) else replace(program, model=model)


def _weights(model: ir.Model) -> dict[str, int]:
    """Which tensor each of them is."""
    return {name: id(value.const_value) for name, value in model.graph.initializers.items()}


def _is_right(proposal: Proposal, staged: StagedSchedule, answers: Answers, limit: Limit) -> bool:
    """Whether it is known to be: on all that a contender is looked at on."""
    if answers.reference.problem:
        return False
    try:
        checked = answers.checked_as(proposal, staged, limit)
    except (EngineError, MetricError):
        return False
    if limit.loss is None:
        return bool(checked.built)
    held = [each.held for each in checked.built]  # or nothing is known of its loss
    return any(each is not None and each.metric is not None for each in held)
