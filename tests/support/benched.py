"""Rivals of a bench that need no engine, as data that goes to a process of its own."""

import atexit
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from stagecut.compiler.cli.rivals import One, Ways, called_by


def _one() -> None:
    time.sleep(0.001)


@dataclass(frozen=True)
class Quick:
    name: str

    def make(self) -> tuple[One, Ways]:
        sys.stdout.write("an engine says something\n")
        sys.stdout.flush()
        return _one, {**called_by(_one, 1), **called_by(_one, 2)}


@dataclass(frozen=True)
class Refusing:
    name: str

    def make(self) -> tuple[One, Ways]:
        raise ValueError("not today\nnor tomorrow")


@dataclass(frozen=True)
class Dying:
    """Its engine takes the process down."""

    name: str

    def make(self) -> tuple[One, Ways]:
        os._exit(7)


@dataclass(frozen=True)
class Counted:
    """It runs many inputs at once so often, and no more; a mark for each time stands in a file."""

    name: str
    marks: Path
    most: int = 1000

    def make(self) -> tuple[One, Ways]:
        self.marks.touch()
        return _one, {"marks": self._many}

    def _many(self, seconds: float) -> tuple[int, float]:
        marks = self.marks.read_text()
        if len(marks) == self.most:
            raise ValueError("no more")
        self.marks.write_text(f"{marks}x")
        return 1, seconds


@dataclass(frozen=True)
class Ending:
    """It writes a file when its process ends by itself, `seconds` after it is told to."""

    name: str
    told: Path
    seconds: float = 0.0

    def make(self) -> tuple[One, Ways]:
        atexit.register(self._end)
        return _one, called_by(_one, 1)

    def _end(self) -> None:
        time.sleep(self.seconds)
        self.told.touch()
