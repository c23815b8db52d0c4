"""Being asked to stop: by a signal, which is told from what somebody else's code raises."""

import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

#: How long cleaning up may take before the wish is repeated.
_AGAIN_S = 0.5


class Stopped(BaseException):
    """A signal asked the process to stop. No error: only those catch it who clean up."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


def stop(number: int, frame: FrameType | None) -> None:
    """A handler of signals: raises Stopped, and again where that was swallowed.

    While a module is loaded the process ends here and now: libraries catch whatever an optional
    import of theirs raises, and some crash on it. What that leaves goes with the next start
    (formats/working_folder.py).
    """
    if _is_loading(frame):
        os.write(2, b"stopped\n")
        os._exit(128 + number)
    if signal.getsignal(number) is stop:
        signal.signal(signal.SIGALRM, lambda _, later: stop(number, later))
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
    leave(number)


def leave(number: int) -> NoReturn:
    """Raises Stopped. Where Python swallows it, as it does in what tidies up behind an object, it
    does so without a word: it would print a traceback."""
    sys.unraisablehook = _but_stopped
    raise Stopped(number)


def _but_stopped(swallowed: "UnraisableHookArgs") -> None:
    if not isinstance(swallowed.exc_value, Stopped):
        sys.__unraisablehook__(swallowed)


def stopping() -> None:
    """Told by whoever caught Stopped and ends the process."""
    signal.setitimer(signal.ITIMER_REAL, 0.0)


def _is_loading(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def asks_to_stop(error: BaseException) -> bool:
    """Whether what came out of somebody else's code is a wish of the user's that has to go on.

    That code may raise what it likes: SystemExit, or a KeyboardInterrupt while Ctrl-C raises none.
    """
    if isinstance(error, KeyboardInterrupt):
        return signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return isinstance(error, Stopped)
