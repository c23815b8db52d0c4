"""Rivals of a bench that need no engine, as data that goes to a process of its own."""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from stagecut.compiler.cli.rivals import Many, One, called


def _one() -> None:
    time.sleep(0.001)


@dataclass(frozen=True)
class Quick:
    name: str

    def make(self) -> tuple[One, Many]:
        sys.stdout.write("an engine says something\n")
        sys.stdout.flush()
        return _one, called(_one, 2)


@dataclass(frozen=True)
class Refusing:
    name: str

    def make(self) -> tuple[One, Many]:
        raise ValueError("not today\nnor tomorrow")


@dataclass(frozen=True)
class Dying:
    """Its engine takes the process down."""

    name: str

    def make(self) -> tuple[One, Many]:
        os._exit(7)


@dataclass(frozen=True)
class Counted:
    """It runs many inputs at once so often, and no more; a mark for each time stands in a file."""

    name: str
    marks: Path
    most: int = 1000

    def make(self) -> tuple[One, Many]:
        self.marks.touch()
        return _one, self._many

    def _many(self, seconds: float) -> tuple[int, float]:
        marks = self.marks.read_text()
        if len(marks) == self.most:
            raise ValueError("no more")
        self.marks.write_text(f"{marks}x")
        return 1, seconds
