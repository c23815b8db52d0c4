"""What every pass of a compile may need, and the settings that it is made from: data, no verbs."""

import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time, time
from typing import Literal, TypeAlias

from stagecut.compiler.ir.device import Backend, Progress, silent
from stagecut.compiler.ir.standing import Told, nobody
from stagecut.compiler.ir.text import printable
from stagecut.compiler.measure.crash_journal import ENGINE_TIMEOUT_S, Crash, CrashJournal
from stagecut.compiler.measure.foreign_load import Reading, read_load

#: Learns of a phase by its name, as long as it lasts.
PhaseTold: TypeAlias = Callable[[str], AbstractContextManager[object]]

#: How long a compile may take to be sure of its decision.
Effort: TypeAlias = Literal["quick", "normal", "thorough"]
EFFORTS: tuple[Effort, ...] = ("quick", "normal", "thorough")


def to_stderr(warning: str) -> None:
    """For whoever waits for the compile; names in it cannot steer the terminal."""
    print(f"stagecut: {printable(warning)}", file=sys.stderr)  # noqa: T201


@dataclass(frozen=True, slots=True)
class Settings:
    """The circumstances of a compile: what does not belong to the question that is asked.

    `cache` is a folder that keeps measurements, None to keep none. `dump` is a folder for the text
    form of every step. `scratch` is a folder with room for a copy of the weights, None for the
    system's own. `notes` is a folder that survives a crash of the process, for what it was at
    (measure/crash_journal.py), None where nobody watches. `engine_timeout_s` is how long one call
    of an engine may take where somebody does. `effort` says how long measuring may take. `clock`
    tells seconds, `cpu_clock` the processor time of this process, `now` the seconds since 1970,
    `load` what the kernel has counted of other work. `warn` is told what the user should know of a
    compile that goes on, and `watch` how a long search for the optimum stands; `phase` is held
    while a phase of the compile lasts.
    """

    cache: Path | None = None
    dump: Path | None = None
    scratch: Path | None = None
    notes: Path | None = None
    engine_timeout_s: float = ENGINE_TIMEOUT_S
    effort: Effort = "normal"
    progress: Progress = silent
    clock: Callable[[], float] = perf_counter
    cpu_clock: Callable[[], float] = process_time
    now: Callable[[], float] = time
    load: Callable[[], Reading | None] = read_load
    warn: Callable[[str], None] = to_stderr
    watch: Told = nobody
    phase: PhaseTold = nullcontext


@dataclass(frozen=True, slots=True)
class CompileContext:
    """`specs` are the texts that the backends were asked for with. `crashes` are what engines did
    to earlier attempts at this compile, `journal` is where this one notes what it is at; `told` is
    what the user should know of devices that are not asked any more."""

    backends: Mapping[str, Backend]
    specs: Mapping[str, str]
    settings: Settings
    journal: CrashJournal | None
    crashes: tuple[Crash, ...]
    told: tuple[str, ...] = ()

    @property
    def only_reference(self) -> bool:
        """Whether whatever else was asked for has taken the process down."""
        return self.journal is not None and bool(self.journal.only_reference)
