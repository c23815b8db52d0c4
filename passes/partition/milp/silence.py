"""Keep what HiGHS prints by itself off standard output, which is for results.

Some of its messages heed no option: they are printed in C++. So while it runs, the process's
standard output leads nowhere. That is one for all threads: the first solver takes it away, and the
last one gives it back.
"""

import ctypes
import os
import sys
from threading import Lock
from types import TracebackType

_STDOUT = 1


class Silence:
    """To be entered while HiGHS runs, by any number of threads at once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._kept: int | None = None
        self._flush = ctypes.CDLL(None).fflush

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._kept = self._take_away()

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._kept is not None:
                self._flush(None)  # what C still holds would come out later
                os.dup2(self._kept, _STDOUT)
                os.close(self._kept)
                self._kept = None

    def _take_away(self) -> int | None:
        """Where standard output leads; None where it leads nowhere already."""
        if sys.stdout is not None:
            sys.stdout.flush()
        self._flush(None)
        try:
            kept = os.dup(_STDOUT)
        except OSError:
            return None
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, _STDOUT)
        os.close(nowhere)
        return kept


#: Standard output is the whole process's, and so is this.
SILENCE = Silence()
