"""The stage that an error of an engine belongs to."""

from dataclasses import dataclass

from stagecut.compiler.ir.errors import (
    RangeFault,
    StagecutError,
    StageFault,
    ValueRangeError,
    told,
)
from stagecut.compiler.ir.stop import asks_to_stop


@dataclass(frozen=True, slots=True)
class Place:
    """The stage that an error belongs to."""

    stage: int
    device: str

    def fault(self, error: BaseException) -> StageFault:
        """What an engine raised as a fault of this stage; raises it as it is where it is no
        engine's."""
        if asks_to_stop(error):
            raise error
        if isinstance(error, ValueRangeError):  # it is the inputs that the engine cannot take
            return RangeFault(told(error), stage=self.stage, device=self.device)
        return self.wrong(told(error) if isinstance(error, StagecutError) else _failed(error))

    def wrong(self, problem: str) -> StageFault:
        return StageFault(problem, stage=self.stage, device=self.device)


def _failed(error: BaseException) -> str:
    return f"failed: {told(error)}"
