"""Standard output and error as a command uses them: full, closed or poor in characters.

A failure to write standard output is an error of the command like any other, one to write standard
error is none. What their encoding does not have is spelt in ASCII.

                     sys.stdout          descriptor 1        RESULTS
    before           standard output     standard output
    make_ready       standard output     standard error      standard output
    a command runs   standard error      standard error      standard output

So whatever engines, plugins and their native code print, here and in the processes that they start,
is on standard error: standard output has the command's own results, and nothing else.
"""

import codecs
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from stagecut.compiler.ir.errors import OutputError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_STANDARD = (0, 1, 2)
_HANDLER = "stagecut.plain"

#: Of standard output, as a file.
_NAMES = (Path("/dev/stdout"), Path("/dev/fd/1"), Path("/proc/self/fd/1"))

#: What we print beside ASCII, and how it is written where there is nothing else.
_PLAIN = {
    "µ": "u",
    "×": "x",
    "−": "-",
    "–": "-",
    "—": "-",
    "━": "-",
    "╸": "-",
    "╺": "-",
    "─": "-",
    "•": "*",
    "→": "->",
    "…": "...",
    "█": "#",
    "▒": "%",
    "≥": ">=",
    "≤": "<=",
    "\N{REPLACEMENT CHARACTER}": "?",
}


class Results:
    """Where the results of a command go: standard output, which is one for the whole process."""

    def __init__(self) -> None:
        self._kept: TextIO | None = None
        #: What stands in place of standard output meanwhile.
        self._instead: TextIO | None = None

    @property
    def stream(self) -> TextIO:
        return self._kept or sys.stdout

    def place(self, value: object) -> object:
        """The path by which they are reached, in place of one that names standard output."""
        return Path(f"/dev/fd/{self.stream.fileno()}") if value in _NAMES else value

    def part(self) -> None:
        """From here on, what others print is on standard error: also what threads of theirs print
        behind the last result, or what they print when the process ends. Results go to the
        standard output of now, where somebody put in another since the last time."""
        if self._kept is None or sys.stdout is not self._instead:
            self._kept = sys.stdout
        sys.stdout = self._instead = sys.stderr

    def join(self) -> None:
        """As it was before."""
        sys.stdout, self._kept, self._instead = self.stream, None, None


RESULTS = Results()


class ReaderGoneError(BaseException):
    """Nobody reads standard output any more, as behind `| head`: there is nothing left to say.

    No Exception, so that nothing on the way takes it for its own.
    """


def make_ready() -> None:
    """Put our streams in place of Python's; those that somebody has replaced stay.

    Descriptors that were closed are taken first, or else a file that is opened later becomes
    standard output, and is written over. Standard output gets a new one: native code knows but 1.
    """
    for descriptor in _STANDARD:
        _take(descriptor)
    if sys.stdout is sys.__stdout__:
        out = _Out(os.dup(1), "wb", closefd=False)
        os.dup2(2, 1)
        sys.stdout = _text(out, sys.__stdout__, by_line=out.isatty())
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(_Err(2, "wb", closefd=False), sys.__stderr__, by_line=True)


def _take(descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:  # what is opened next gets the lowest number that is free: this one
        os.open(os.devnull, os.O_WRONLY if descriptor == 2 else os.O_RDONLY)


def _text(raw: io.RawIOBase, like: TextIO | None, *, by_line: bool = False) -> TextIO:
    codecs.register_error(_HANDLER, _spelt)
    encoding = "utf-8" if like is None else like.encoding
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, _HANDLER, line_buffering=by_line)


def _spelt(error: UnicodeError) -> tuple[str, int]:
    """For `codecs.register_error`: µ becomes u, and what has no such spelling `\\u4f60`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letter = error.object[error.start]
    escaped = letter.encode("ascii", "backslashreplace").decode("ascii")
    return _PLAIN.get(letter, escaped), error.start + 1


class _Out(io.FileIO):
    """Standard output, which fails once: what Python still holds for it is dropped."""

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data) or 0
        except BrokenPipeError:
            _drop(self.fileno())
            raise ReaderGoneError from None
        except OSError as error:
            _drop(self.fileno())
            raise OutputError(
                f"cannot be written: {error.strerror}",
                where="standard output",
                fix="send it to a file or a program that takes it; files that were asked for "
                "are written",
            ) from None


class _Err(io.FileIO):
    """Standard error, where nobody can be told that it fails."""

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data) or 0
        except OSError:
            return memoryview(data).nbytes


def _drop(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    if nowhere != descriptor:  # as it is where somebody closed it
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
