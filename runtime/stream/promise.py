"""What becomes of one input: a future for one thread that waits, at a fraction of a Future's time.

    stream()             the thread of a replica
      waits: a lock        begins, sets the outputs
      has the outputs  <   releases the lock

Of a Future the condition alone, which lets any number of threads wait, takes longer than all of
this. Futures that are handed out stay those of `concurrent.futures`.
"""

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, InvalidStateError

from stagecut.compiler.ir.device import Tensor


class Promise:
    """As `concurrent.futures.Future`, of which it has what streams need.

    Several threads may want to begin with it, cancel it, or answer it: taking the last element of a
    list, which one of them succeeds in, decides.
    """

    __slots__ = ("_answer", "_answerable", "_beginnable", "_callbacks", "_waiting")

    def __init__(self) -> None:
        self._beginnable = [None]
        self._answerable = [None]
        self._callbacks: list[Callable[[Promise], object]] = []
        self._waiting = threading.Lock()
        self._waiting.acquire()
        self._answer: list[Tensor] | BaseException | None = None

    def set_running_or_notify_cancel(self) -> bool:
        """Whether it may begin: not where it was cancelled."""
        return _taken(self._beginnable)

    def set_result(self, outputs: list[Tensor]) -> None:
        """Raises InvalidStateError where there is an answer."""
        self._set(outputs)

    def set_exception(self, error: BaseException) -> None:
        """Raises InvalidStateError where there is an answer."""
        self._set(error)

    def cancel(self) -> bool:
        """Whether it is cancelled: not once it has begun."""
        if not _taken(self._beginnable):
            return self.cancelled()
        try:
            self._set(CancelledError())
        except InvalidStateError:  # it was answered before it began
            return False
        return True

    def cancelled(self) -> bool:
        return self.done() and isinstance(self._answer, CancelledError)

    def done(self) -> bool:
        return self._answer is not None

    def result(self, timeout: float | None = None) -> list[Tensor]:
        """Waits; raises the error that is the answer, CancelledError where it was cancelled, and
        TimeoutError after so many seconds."""
        answer = self._awaited(timeout)
        try:
            if isinstance(answer, BaseException):
                raise answer
            return answer
        finally:
            del self, answer  # or else an error would keep itself alive, by its traceback

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Waits; the error that is the answer. Raises CancelledError where it was cancelled."""
        answer = self._awaited(timeout)
        if isinstance(answer, CancelledError):
            raise CancelledError
        return answer if isinstance(answer, BaseException) else None

    def add_done_callback(self, callback: "Callable[[Promise], object]") -> None:
        """In the thread that answers, in the order in which they were added; here, where there is
        an answer. None should raise: unlike a Future's, its error comes out there, and those behind
        it are not called then."""
        self._callbacks.append(callback)
        if self.done():
            self._call_back()

    def _set(self, answer: list[Tensor] | BaseException) -> None:
        if not _taken(self._answerable):
            raise InvalidStateError
        self._answer = answer
        self._waiting.release()
        if self._callbacks:
            self._call_back()

    def _call_back(self) -> None:
        while self._callbacks:
            try:
                callback = self._callbacks.pop(0)
            except IndexError:  # the other thread had it
                return
            callback(self)

    def _awaited(self, timeout: float | None) -> list[Tensor] | BaseException:
        if self._answer is None:
            if not self._waiting.acquire(timeout=-1 if timeout is None else timeout):
                raise TimeoutError
            self._waiting.release()
        if self._answer is None:
            raise AssertionError("the lock is released behind the answer")
        return self._answer


def _taken(tokens: list[None]) -> bool:
    try:
        tokens.pop()
    except IndexError:
        return False
    return True
