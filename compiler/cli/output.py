"""What commands print: lines and JSON on standard output, notes and progress on standard error."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from stagecut.compiler.cli.streams import RESULTS
from stagecut.compiler.ir.text import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

    from stagecut.compiler.ir.device import Progress
    from stagecut.compiler.ir.solution import Certificate

Item = TypeVar("Item")


def say(*lines: str) -> None:
    """Print `lines` on standard output; each stays one line of text, whatever its names hold."""
    for line in lines:
        print(printable(line), file=RESULTS.stream, flush=True)  # noqa: T201


def say_on(text: str) -> None:
    """Print on the line that standard output is at; the text may break lines."""
    lines = "\n".join(map(printable, text.split("\n")))
    print(lines, end="", file=RESULTS.stream, flush=True)  # noqa: T201


def note(line: str) -> None:
    """One line for people on standard error."""
    print(printable(line), file=sys.stderr, flush=True)  # noqa: T201


def certificate_document(certificate: "Certificate") -> dict[str, object]:
    """For JSON, in the objective's unit."""
    return {
        "total": certificate.total,
        "lower_bound": certificate.lower_bound,
        "gap": certificate.gap,
        "exact": certificate.exact,
        "scope": certificate.scope,
        "claim": certificate.claim,
    }


#: Terminals whose size is not known yet say that they have no column.
_NARROWEST = 40


def console() -> "Console":
    """Standard output for tables and colours; never so narrow that nothing is left of them."""
    from rich.console import Console

    screen = Console(file=RESULTS.stream, markup=False, highlight=False)
    screen.width = max(screen.width, _NARROWEST)
    return screen


def print_json(schema: str, document: Mapping[str, object]) -> None:
    """The envelope of every command: `{"schema": "stagecut.compile/1", ...}`."""
    RESULTS.stream.write(json_text({"schema": schema, **document}))


def print_text(text: str) -> None:
    """JSON that is a text already."""
    RESULTS.stream.write(f"{text}\n")


def json_text(document: object) -> str:
    """Indented JSON; a number that JSON does not have (NaN, infinity) is a bug of ours."""
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


#: Where nobody sees bars, a line tells at most so often that there is progress, and nothing does
#: before so long.
LINE_EVERY_S = 5.0


def progress_bars() -> "Progress":
    """Bars on standard error; lines now and then when that is not a terminal, as in the log of a
    CI."""
    return _bar if sys.stderr.isatty() else ProgressLines()


class ProgressLines:
    """`profiling: 12 of 40, 8 s so far`, at most every few seconds, and nothing of what is done
    before; and of a phase that tells nothing itself, `import: 10 s so far`. What was told of is
    told to be done, with what it took."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._told_s = clock()

    def __call__(
        self, items: Iterable[Item], label: str, total: int | None = None
    ) -> Iterator[Item]:
        if total is None and isinstance(items, Sequence):
            total = len(items)
        start_s = self._clock()
        told = False
        for done, item in enumerate(items):
            if self._clock() - self._told_s >= LINE_EVERY_S:
                self._told_s = self._clock()
                told = True
                of_all = "" if total is None else f" of {total}"
                so_far = f", {self._told_s - start_s:.0f} s so far" if done else ""
                note(f"{label}: {done}{of_all}{so_far}")
            yield item
        if told:
            self._told_s = self._clock()
            note(f"{label}: done in {self._told_s - start_s:.0f} s")

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """While it lasts, no few seconds go by without a line."""
        over = Event()
        Thread(target=self._tell, args=(name, over), daemon=True).start()
        try:
            yield
        finally:
            over.set()

    def _tell(self, name: str, over: Event) -> None:
        start_s = self._clock()
        while not over.wait(LINE_EVERY_S / 5):
            self.still(name, start_s)

    def still(self, name: str, start_s: float) -> None:
        """Tell of a phase that goes on since then, where nothing has been told for long."""
        now_s = self._clock()
        if now_s - self._told_s >= 2 * LINE_EVERY_S:
            self._told_s = now_s
            note(f"{name}: {now_s - start_s:.0f} s so far")


class LiveLine:
    """A line on standard error that is written over; only on a terminal."""

    def __init__(self) -> None:
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    @property
    def is_seen(self) -> bool:
        return self._live is not None

    def show(self, line: str) -> None:
        if self._live is not None:
            from rich.text import Text

            self._live.update(Text(printable(line)), refresh=True)


def _bar(items: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import track

    if total is None and isinstance(items, Sequence):
        total = len(items)
    console = Console(stderr=True)
    shown = escape(printable(label))
    return iter(track(items, shown, total=total, console=console, transient=True))
