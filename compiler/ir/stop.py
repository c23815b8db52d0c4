"""Being asked to stop: by a signal, which is told from what somebody else's code raises."""

import signal
from types import FrameType


class Stopped(BaseException):
    """A signal asked the process to stop. No error: only those catch it who clean up."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # a handler's signature
    """A handler of signals."""
    raise Stopped(number)


def asks_to_stop(error: BaseException) -> bool:
    """Whether what came out of somebody else's code is a wish of the user's that has to go on.

    That code may raise what it likes: SystemExit, or a KeyboardInterrupt while Ctrl-C raises none.
    """
    if isinstance(error, KeyboardInterrupt):
        return signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return isinstance(error, Stopped)
