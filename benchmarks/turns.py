"""Old and new taking turns: two checkouts of stagecut, each in a process of its own.

    new   answer     answer     answer
    old         answer     answer     answer

A process runs the same source text with its own checkout's packages. It does what has to be done
once, prints "ready", and then answers every line that it is asked with a line of JSON.
"""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from stagecut.compiler.measure.foreign_load import foreign_load, read_load

#: This checkout.
HERE = Path(__file__).resolve().parents[1]


class Checkout(AbstractContextManager["Checkout"]):
    """A process in `folder`, a checkout of stagecut, that runs `source`."""

    def __init__(self, folder: Path, source: str, *arguments: str) -> None:
        sources = folder / "src"
        if not (sources / "stagecut").is_dir():
            raise SystemExit(f"{folder} is no checkout of stagecut: there is no src/stagecut in it")
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-c", source, *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(sources)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __exit__(self, *error: object) -> None:
        self._process.communicate()

    def wait(self) -> None:
        """Until it has done what has to be done once."""
        self._line("ready")

    def ask(self, question: object = None) -> Any:
        """The answer to one question."""
        self._write(question)
        return json.loads(self._line())

    def _write(self, question: object) -> None:
        stdin = self._process.stdin
        if stdin is None:
            raise AssertionError("it was opened with a pipe")
        stdin.write(json.dumps(question) + "\n")
        stdin.flush()

    def _line(self, expected: str = "") -> str:
        stdout = self._process.stdout
        line = "" if stdout is None else stdout.readline()
        if not line or (expected and line.strip() != expected):
            raise SystemExit(f"the process in {self._folder} ended, or said {line!r}")
        return line


@contextmanager
def side_by_side(
    folders: Mapping[str, Path], source: str, *arguments: str
) -> Iterator[dict[str, Checkout]]:
    """A ready process for each folder; they get ready one after the other."""
    with ExitStack() as stack:
        found = {}
        for name, folder in folders.items():
            found[name] = stack.enter_context(Checkout(folder, source, *arguments))
            found[name].wait()
        yield found


def in_turns(names: Sequence[str], rounds: int) -> Iterator[str]:
    """Every name once in each round, in an order that changes."""
    order = random.Random(0)  # noqa: S311  # nothing secret
    for _ in range(rounds):
        yield from order.sample(names, len(names))


def sides(against: Path | None) -> dict[str, Path]:
    """This checkout, and the older one where there is one."""
    return {"new": HERE} | ({} if against is None else {"old": against.resolve()})


class ForeignLoad:
    """How many CPUs were busy with other work than this process and its children, since it was
    made."""

    def __init__(self) -> None:
        self._start = read_load()

    def __str__(self) -> str:
        load = foreign_load(self._start, read_load())
        if load is None or self._start is None:
            return "what other work took meanwhile is not known"
        return f"other work kept {load.taken * self._start.cpus:.2f} CPUs busy meanwhile"
