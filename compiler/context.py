"""The circumstances of a compile: what does not belong to the question that is asked."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from stagecut.compiler.ir.errors import OutputError
from stagecut.compiler.ir.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class Settings:
    """`cache` is a folder that keeps measurements, None to keep none. `dump` is a folder for the
    text form of every step. `scratch` is a folder with room for a copy of the weights, None for
    the system's own. `notes` is a folder that survives a crash of the process, for what it was at
    (compiler/measure/crash_journal.py), None to note nothing. `clock` tells seconds."""

    cache: Path | None = None
    dump: Path | None = None
    scratch: Path | None = None
    notes: Path | None = None
    progress: Progress = silent
    clock: Callable[[], float] = perf_counter


class Dump:
    """Writes the text form of each step to `folder`: 01-graph.txt, 02-expanded.txt, ..."""

    def __init__(self, folder: Path | None, prefix: str = "") -> None:
        self._folder = folder
        self._prefix = prefix
        self._written = 0

    def __call__(self, name: str, step: object, kind: str = "txt") -> None:
        if self._folder is None:
            return
        self._written += 1
        path = self._folder / f"{self._prefix}{self._written:02}-{name}.{kind}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{step}".rstrip("\n") + "\n")
        except OSError as error:
            raise OutputError(
                f"cannot be written: {error.strerror}",
                where=str(path),
                fix="give --dump a folder that may be written to",
            ) from error
