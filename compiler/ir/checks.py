"""How far a plan's outputs are from those of the whole model, and on which inputs."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import MinLen

from stagecut.compiler.ir.amounts import Distance, Finite


@dataclass(frozen=True, slots=True)
class OutputDifference:
    """How far an output is from the whole model's in its own precision, on the sample inputs.

    `max_abs` is the largest difference, `relative` that over the largest number of the reference,
    `cosine` of the angle between the two, None where one is all zeros.
    """

    name: str
    max_abs: Distance
    relative: Distance
    cosine: Finite | None


@dataclass(frozen=True, slots=True)
class Checks:
    """On which inputs the plan's outputs were held against those of the whole model before it
    shipped, and the largest `relative` difference on any of them, None where no figure says it."""

    inputs: Annotated[tuple[str, ...], MinLen(1)]
    worst: Distance | None
