"""What hangs on the arrows of the pipeline: the text form of every step, the time it took, and
what the user is warned of.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from stagecut.compiler.context import PhaseTold
from stagecut.compiler.ir.errors import OutputError


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
            path.write_text(f"{step}".rstrip("\n") + "\n", "utf-8")
        except OSError as error:
            raise OutputError(
                f"cannot be written: {error.strerror or error}",
                where=str(path),
                fix="give --dump a folder that may be written to",
            ) from error


class Phases:
    """Where the time of a compile goes: seconds by phase, in the order in which they began.

    `told` learns of each as long as it lasts.
    """

    def __init__(self, clock: Callable[[], float], told: PhaseTold = nullcontext) -> None:
        self._clock = clock
        self._told = told
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Counts what happens in the block; phases do not nest."""
        start_s = self._clock()
        self.seconds.setdefault(name, 0.0)
        try:
            with self._told(name):
                yield
        finally:
            self.seconds[name] += self._clock() - start_s


class Once:
    """Passes each warning on the first time."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._told: set[str] = set()

    def __call__(self, warning: str) -> None:
        if warning not in self._told:
            self._told.add(warning)
            self._warn(warning)
