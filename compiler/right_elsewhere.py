"""A plan ships only if it is right at shapes that it was not compiled for, too."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import onnx_ir as ir

from stagecut.compiler.answers import Answers
from stagecut.compiler.compared import Compared
from stagecut.compiler.frontends.normal_form.normalise import declared
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.other_shapes import OtherShapes
from stagecut.passes.gate.build import Wrong
from stagecut.passes.gate.contenders import Proposal, proposal_of
from stagecut.passes.gate.gate import choose


@dataclass(frozen=True)
class RightElsewhere:
    """`opened` is the model with its open dimensions, None where it admits only one shape."""

    answers: Answers
    opened: ir.Model | None

    def shipping(
        self,
        compared: Compared,
        proposals: Sequence[Proposal],
        objective: Objective,
        tolerance: float | None,
    ) -> Compared:
        """The same with the best of those that are right; raises WrongAnswerError where none is."""
        left = list(compared.contenders)
        while True:
            proposal = proposal_of(proposals, compared.chosen.id)
            found = self(proposal, tolerance)
            if not isinstance(found, Wrong):
                return replace(compared, elsewhere=found)
            left = [each for each in left if proposal_of(proposals, each.id) is not proposal]
            if not left:
                raise found.error
            dropped = (*compared.dropped, str(found))
            compared = replace(compared, contenders=choose(left, objective), dropped=dropped)

    def __call__(self, proposal: Proposal, tolerance: float | None) -> Wrong | tuple[str, ...]:
        """What is wrong with a proposal's outputs, or the inputs on which they are right."""
        if self._other_shapes is None:
            return ()
        return self._other_shapes(proposal, self.answers.limit(tolerance, proposal))

    @cached_property
    def _other_shapes(self) -> OtherShapes | None:
        if self.opened is None:
            return None
        return OtherShapes(self.answers, self.opened, declared(self.opened, self.answers.program))
