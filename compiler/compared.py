"""What is known of the plans that were compared, as it is kept from one compile to the next."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stagecut.compiler.answers import Answers
from stagecut.compiler.ir.checks import Checks, OutputDifference
from stagecut.compiler.ir.contender import Contender, ContenderId
from stagecut.compiler.ir.provenance import Circumstances
from stagecut.passes.gate.build import Built
from stagecut.passes.precision.held_out import HeldOut
from stagecut.passes.profile.profile import Fault


@dataclass(frozen=True, slots=True)
class KeptAccuracy:
    """How far off one contender is: on the samples, at the worst of `inputs`, and on held-out
    samples, where it was held against these."""

    id: ContenderId
    differences: tuple[OutputDifference, ...]
    inputs: tuple[str, ...]
    worst: float
    held: HeldOut | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """`dropped` tells of plans that an engine failed to build or to run, or whose outputs are
    wrong; `elsewhere` are inputs of other shapes on which the one that ships was right.

    `coarse` are contenders that were further off than they may be, with that error.
    With `faults` nothing was compared: these nodes are wrong where they were placed, and can be
    placed elsewhere.
    """

    contenders: tuple[Contender, ...]
    accuracy: tuple[KeptAccuracy, ...]
    dropped: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    coarse: tuple[tuple[ContenderId, HeldOut], ...] = ()
    circumstances: Circumstances | None = None

    @classmethod
    def of(
        cls,
        answers: Answers,
        contenders: tuple[Contender, ...],
        built: Sequence[Built],
        dropped: Sequence[str],
    ) -> "Compared":
        """What is known of contenders, and said where nothing can be said of their outputs."""
        accuracy = tuple(
            KeptAccuracy(each.proposal.id, each.accuracy, each.inputs, each.worst, each.held)
            for each in built
        )
        problem, made_up = answers.reference.problem, answers.program.made_up
        told = [f"outputs are not checked: the reference cannot run: {problem}"] if problem else []
        if problem and made_up:
            told.append(f"the inputs were made up ({', '.join(made_up)}): give samples")
        return cls(contenders, accuracy, (*dropped, *told))

    @property
    def checks(self) -> Checks | None:
        """Of the one that ships; None where there was nothing to compare with."""
        found = next(kept for kept in self.accuracy if kept.id == self.chosen.id)
        if not found.inputs:
            return None
        worst = found.worst if math.isfinite(found.worst) else None
        return Checks((*found.inputs, *self.elsewhere), worst)

    def held_out(self, id_: ContenderId) -> HeldOut | None:
        """What is known of a contender on held-out samples; replicas of it compute the same."""
        known = {each.id.plain: each.held for each in reversed(self.accuracy)}
        known.update({each.id: each.held for each in self.accuracy})
        return known.get(id_, dict(self.coarse).get(id_))

    @property
    def chosen(self) -> Contender:
        return next(contender for contender in self.contenders if contender.chosen)

    @property
    def chosen_accuracy(self) -> tuple[OutputDifference, ...]:
        found = (kept.differences for kept in self.accuracy if kept.id == self.chosen.id)
        return next(found, ())
