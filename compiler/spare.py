"""The fallback of a plan, whose weights are those that ship, where it is right with them: so that
they are not there in full besides.

    ships       openvino.int8: y = MatMul(x, W in few bits)
    fallback    cpu.serial:    y = MatMul(x, W in full)      -> MatMul(x, W in few bits)
"""

from collections.abc import Sequence
from dataclasses import replace

from stagecut.compiler.answers import Answers
from stagecut.compiler.formats.quantised_tensor import QuantisedTensor
from stagecut.compiler.ir.device import StagedSchedule, StageProgram
from stagecut.compiler.ir.errors import EngineError
from stagecut.passes.gate.build import held_out_set
from stagecut.passes.precision.rms import rms
from stagecut.passes.stage.hold_as_in import hold_as_in


def with_weights_of(
    shipped: Sequence[StageProgram], spare: StagedSchedule, answers: Answers, most: float
) -> tuple[StageProgram, ...]:
    """The programs of `spare` as a plan stores them, with the weights of those that are `shipped`
    where their outputs are then off by `most` at the most, as relative rms on held-out samples.
    Where that is not so, or cannot be told, they are in full."""
    own = answers.stored(spare)
    found = tuple(_holding(each, shipped) for each in own)
    if all(each is before for each, before in zip(found, own, strict=True)):
        return own
    off = _off(replace(spare, programs=found), answers)
    return found if off is not None and off <= most else own


def _holding(program: StageProgram, shipped: Sequence[StageProgram]) -> StageProgram:
    """Itself where that makes no difference; what it holds in few bits of its own stays so."""
    model = program.model.clone()
    before = {name: value.const_value for name, value in model.graph.initializers.items()}
    hold_as_in(model, [each.model for each in shipped])
    for name, value in model.graph.initializers.items():
        if isinstance(before[name], QuantisedTensor):
            value.const_value = before[name]
    after = (value.const_value for value in model.graph.initializers.values())
    changed = any(new is not old for new, old in zip(after, before.values(), strict=True))
    return replace(program, model=model) if changed else program


def _off(staged: StagedSchedule, answers: Answers) -> float | None:
    """None where nothing can be said."""
    held_out = answers.split.held_out
    sets = [held_out_set(at, feeds) for at, feeds in enumerate(held_out)]
    pairs = []
    try:
        runner = answers.build(staged, answers.outputs)
        for each in sets or [answers.reference.samples]:
            right = answers.reference.known(each)
            if isinstance(right, str):
                return None
            pairs.append((runner.run(each.feeds)[0], right))
    except EngineError:
        return None
    return rms(pairs)
