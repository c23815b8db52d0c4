"""What a plan says about its lower precision: what was predicted, and what was measured."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from stagecut.compiler.ir.amounts import Amount, Count, Finite
from stagecut.compiler.ir.machine import Basis
from stagecut.compiler.ir.solution import Certificate


@dataclass(frozen=True, slots=True)
class Attempt:
    """One solution under a `limit` for the sum of squared errors: the relative rms error that the
    sum predicts, and that of the plan on held-out samples; None where that was not measured."""

    limit: Amount
    predicted: Amount
    measured: Amount | None


@dataclass(frozen=True, slots=True)
class ContenderError:
    """The same of a plan that was compared; `kept` says whether it is within the tolerance, and
    `metric` what the user's own is on these samples, where there is one."""

    name: str
    predicted: Amount
    measured: Amount | None
    kept: bool
    metric: Finite | None = None

    @property
    def error(self) -> float:
        """As measured; as predicted where it was not."""
        return _known(self.predicted, self.measured)


@dataclass(frozen=True, slots=True)
class ErrorPoint:
    """A schedule on the front of time against error: by the costs, none that takes less time is
    predicted to be less far off. `run_s` is by the costs; `predicted` and `measured` are as in
    Attempt; `assignment` is by node."""

    run_s: Amount
    basis: Basis
    predicted: Amount
    measured: Amount | None
    assignment: Mapping[str, str]

    @property
    def error(self) -> float:
        """As measured; as predicted where it was not."""
        return _known(self.predicted, self.measured)

    @property
    def devices(self) -> Mapping[str, int]:
        """How many nodes run on each, those with most first."""
        return dict(Counter(self.assignment.values()).most_common())


def _known(predicted: float, measured: float | None) -> float:
    return predicted if measured is None else measured


@dataclass(frozen=True, slots=True)
class PlannedPrecision:
    """`runs` of the whole model told the errors of nodes, on `samples` in turn; plans were measured
    on `held_out` others. Where the model came quantised, all of it is held against `reference`,
    from which the model itself is off by `own`. With a `metric` of the user's own, the tolerance is
    what that may lose, and `right` is what it is in full precision. The `front` is of time against
    error, the fastest first. Of what was `not_built`, each says why."""

    tolerance: Amount
    samples: Count
    runs: Count
    held_out: Count
    attempts: tuple[Attempt, ...]
    contenders: tuple[ContenderError, ...]
    reference: str = ""
    own: Amount = 0.0
    metric: str = ""
    right: Finite | None = None
    front: tuple[ErrorPoint, ...] = ()
    not_built: tuple[str, ...] = ()

    def of(self, name: str) -> ContenderError | None:
        """That of the contender of this name, where it is known."""
        return next((each for each in self.contenders if each.name == name), None)


@dataclass(frozen=True, slots=True)
class SharedBudget:
    """The tolerance of a decoder's answer, which its entries share: `shares` is what each of them
    may be off by, whose squares add up to that of the `tolerance`. The `certificate` is of what the
    whole answer takes by the costs; None where these were not known of all entries."""

    tolerance: Amount
    shares: Mapping[str, Amount]
    certificate: Certificate | None = None
