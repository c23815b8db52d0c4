"""The one family of errors: what is wrong, where, and what to do about it."""

from stagecut.compiler.ir.text import printable

#: Of a line: whoever wrote a name of a million letters knows how it goes on.
_MOST_CHARACTERS = 1500


class StagecutError(Exception):
    """A mistake in the input or the circumstances that the user can mend; never a bug of ours."""

    def __init__(self, problem: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        """One line for what is wrong and where, one for what to do; no name in them is obeyed."""
        text = _line(f"{self.where}: {self.problem}" if self.where else self.problem)
        return f"{text}\n  fix: {_line(self.fix)}" if self.fix else text


def _line(text: str) -> str:
    return printable(text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…")


class ModelError(StagecutError):
    """The model cannot be read, or is not valid."""


class SampleError(ModelError):
    """The model does not run on the sample inputs."""


class ShapeError(StagecutError):
    """A shape is missing, malformed, or does not fit the model."""


class DeviceError(StagecutError):
    """A device is unknown, unavailable, or was given options that make no sense."""


class BrokenDeviceError(DeviceError):
    """A device's package is installed and cannot be used."""


class CrashedError(BrokenDeviceError):
    """A device took the process down when it was made, and is not made again."""


class UnplaceableError(StagecutError):
    """A node has no device that may run it."""


class MetricError(StagecutError):
    """The user's own measure of outputs raised, or returned no number."""


class AllFailedError(UnplaceableError):
    """A node has no device left that may run it: those that said that they could have failed."""


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


class OverloadError(StagecutError):
    """An input of a stream is not run: others are in flight, and it was not to wait."""


class ClosedError(StagecutError):
    """A stream takes no more inputs."""


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


class CrashFault(StageFault):
    """A stage whose process ended while it ran, or did not come back."""


class WrongAnswerError(EngineError):
    """Every plan that can be made gives other outputs than the model."""


class OutputError(StagecutError):
    """A result cannot be written."""


class ToleranceError(StagecutError):
    """No plan's results are as close to those of the model's own precision as asked."""


class UsageError(StagecutError):
    """The command line or a call asks for something that does not exist; exit code 2."""


def named(error: BaseException) -> str:
    """`ValueError: no such thing`, of an exception of somebody else's code."""
    kind, text = type(error).__name__, told(error)
    return text if text.startswith(kind) else f"{kind}: {text}"


def told(error: BaseException) -> str:
    """What an exception of somebody else's code says, if only its kind."""
    kind = type(error).__name__
    try:
        text = str(error.problem if isinstance(error, StagecutError) else error).strip()
    except Exception:  # it is somebody else's code that makes the text
        return kind
    if not text or isinstance(error, Exception):
        return text or kind
    return f"{kind}: {text}"
