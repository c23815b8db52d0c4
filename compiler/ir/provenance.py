"""Where a plan comes from: what it was made with, what was run to measure, and when."""

from collections.abc import Mapping
from dataclasses import dataclass

from stagecut.compiler.ir.amounts import Count, Positive
from stagecut.compiler.ir.errors import PlanError

#: The last second that calendars know.
_YEAR_9999_S = 253402300799


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Under which the `profile` or the `gate` was measured: in this compile or an earlier one.

    `measured_at_s` are seconds since 1970. `noise` says what speaks against the figures, and is
    empty where nothing does. `foreign_load` is the part of the CPUs' time that other work took
    meanwhile, `waited` the part of the time in which something waited for a CPU; None where the
    kernel does not tell. Raises PlanError for a time that is none.
    """

    what: str
    measured_at_s: float
    noise: str = ""
    foreign_load: float | None = None
    waited: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.measured_at_s <= _YEAR_9999_S:
            raise PlanError(f"{self.measured_at_s} is no time of day", where=f"{self.what}")


@dataclass(frozen=True, slots=True)
class ProfilePath:
    """One complete assignment that was run to measure, and what for."""

    name: str
    reason: str
    runs: Count
    devices: Mapping[str, Count]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a plan comes from. Paths and times of day are left out: same inputs, same bytes.

    `devices` maps each device's name to the text it was asked for with (`pim.hbm:channels=64`).
    """

    stagecut: str
    model: str
    model_sha256: str
    cpu: str
    threads: Positive
    versions: Mapping[str, str]
    devices: Mapping[str, str]
    options: Mapping[str, str]
