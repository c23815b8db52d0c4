"""The one family of errors: what is wrong, where, and what to do about it."""


class StagecutError(Exception):
    """A mistake in the input or the circumstances that the user can mend; never a bug of ours."""

    def __init__(self, problem: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        text = f"{self.where}: {self.problem}" if self.where else self.problem
        return f"{text}\n  fix: {self.fix}" if self.fix else text


class ModelError(StagecutError):
    """The model cannot be read, or is not valid."""


class ShapeError(StagecutError):
    """A shape is missing, malformed, or does not fit the model."""


class DeviceError(StagecutError):
    """A device is unknown, unavailable, or was given options that make no sense."""


class UnplaceableError(StagecutError):
    """A node has no device that may run it."""


class CostTableError(StagecutError):
    """A cost table breaks the `stagecut.costs/1` format; `where` is the JSON path."""


class AssignmentError(StagecutError):
    """An assignment does not fit the cost table."""


class ScheduleError(StagecutError):
    """The steps of a schedule are in no order in which they could be carried out."""


class CertificateError(StagecutError):
    """A proof that proves nothing, or that is of another table."""


class PlanError(StagecutError):
    """A plan file is damaged, foreign, or of a newer schema."""


class TraceError(StagecutError):
    """A file is no trace of a run, or one of another plan's run."""


class FeedError(StagecutError):
    """The inputs given to a run do not fit the plan."""


class EngineError(StagecutError):
    """An engine refused to build or to run a stage."""


class ValueRangeError(EngineError):
    """An input holds numbers that an engine would not compute with as the model says."""


class StageFault(EngineError):  # noqa: N818  # an error of an engine, and whose it is
    """A stage that its engine failed to build or to run: the `stage`-th of a plan, on `device`."""

    def __init__(self, problem: str, *, stage: int, device: str) -> None:
        super().__init__(
            problem,
            where=f"stage {stage} on {device}",
            fix=f"forbid its nodes on {device}, or leave the device out",
        )
        self.stage = stage
        self.device = device


class RangeFault(StageFault):
    """A stage that its engine cannot run on these inputs: a ValueRangeError, and whose it is."""


class WrongAnswerError(EngineError):
    """Every plan that can be made gives other outputs than the model."""


class OutputError(StagecutError):
    """A result cannot be written."""


class ToleranceError(StagecutError):
    """No plan's results are as close to those of the model's own precision as asked."""


class UsageError(StagecutError):
    """The command line or a call asks for something that does not exist; exit code 2."""
