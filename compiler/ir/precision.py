"""What a plan says about its lower precision: what was predicted, and what was measured."""

from dataclasses import dataclass

from stagecut.compiler.ir.amounts import Amount, Count


@dataclass(frozen=True, slots=True)
class Attempt:
    """One solution under a `limit` for the sum of squared errors: the relative rms error that the
    sum predicts, and that of the plan on held-out samples; None where that was not measured."""

    limit: Amount
    predicted: Amount
    measured: Amount | None


@dataclass(frozen=True, slots=True)
class ContenderError:
    """The same of a plan that was compared; `kept` says whether it is within the tolerance."""

    name: str
    predicted: Amount
    measured: Amount | None
    kept: bool


@dataclass(frozen=True, slots=True)
class PlannedPrecision:
    """`runs` of the whole model told the errors of nodes, on `samples` in turn; plans were measured
    on `held_out` others. Where the model came quantised, all of it is held against `reference`,
    from which the model itself is off by `own`."""

    tolerance: Amount
    samples: Count
    runs: Count
    held_out: Count
    attempts: tuple[Attempt, ...]
    contenders: tuple[ContenderError, ...]
    reference: str = ""
    own: Amount = 0.0

    def of(self, name: str) -> ContenderError | None:
        """That of the contender of this name, where it is known."""
        return next((each for each in self.contenders if each.name == name), None)
