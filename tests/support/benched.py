"""Rivals of a bench that need no engine, as data that goes to a process of its own."""

import os
import sys
import time
from dataclasses import dataclass

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
