"""Work in a child process that may crash or hang, and in a new one when it has.

    child 1    import, profile ... an engine crashes          the journal says which, and on what
    child 2    import, profile without it ... gate ... done   reports its exit code

Only a child that reports its exit code is done; any other end is a crash of what its journal says
that it was calling (crash_journal.py), and so is a call that does not come back within the
journal's limit. After a crash that nobody can be blamed for, and after too many, the next child
uses the reference device alone. A child dies with its parent.
"""

import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NoReturn, TypeAlias

from stagecut.compiler.formats.atomic import working_folder
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.stop import Stopped, leave
from stagecut.compiler.ir.text import printable
from stagecut.compiler.measure.crash_journal import CrashJournal

#: Starts a child, which is handed one end of a connection to its parent; returns its number.
Start: TypeAlias = Callable[[socket.socket], int]

#: In the folder for notes: the path of the folder that the process keeps its working files in.
SCRATCH_NOTE = "scratch"

#: In the folder for notes: results have begun to be printed, which no next process may repeat.
PRINTED_NOTE = "printed"

#: So many crashes are worked around one by one.
_MOST = 8

#: How often the parent looks after its child, how long a child may take to stop, and a moment.
_LOOK_S = 0.25
_STOP_S = 0.5
_SOON_S = 0.005

#: Of Linux: which signal a process gets when its parent ends.
_PR_SET_PDEATHSIG = 1


def survive_crashes(body: Callable[[Path], int], *, alone: bool = True) -> int:
    """The exit code of `body`, which is run in a child process, with a folder for its notes.
    `alone` says whether the reference device alone can stand in for all others.

    Has to be called before anything is loaded that starts threads: these do not survive a fork.
    Raises EngineError where even the reference device alone crashes, or may not stand in after a
    crash that no device is known to have caused, or behind which results have begun to be printed.
    """
    with working_folder() as notes:
        return supervise(notes, partial(_forked, partial(body, notes)), alone=alone)


def supervise(folder: Path, start: Start, *, alone: bool = True) -> int:
    """The exit code of the first child that reports one; `folder` is for the notes of all.

    Whatever interrupts this, the child ends first. `alone` and errors are as of `survive_crashes`.
    """
    crashes = 0
    journal = CrashJournal(folder)
    while True:
        code, how = _run(folder, journal, start)
        if code is not None:
            return code
        why, blamed = journal.only_reference, journal.record_crash(how)
        sentence = f"the process {how}" if blamed is None else blamed.sentence
        if why:
            raise EngineError(
                f"{sentence}, with the reference device alone",
                where="stagecut",
                fix="check that the model runs in ONNX Runtime, and that there is enough memory",
            )
        if not alone and (blamed is None or (folder / PRINTED_NOTE).exists()):
            raise EngineError(
                sentence,
                where="stagecut",
                fix="leave out the device that ends it, as a compile of the model does here; or "
                "see that there is enough memory",
            )
        crashes += 1
        if blamed is None or crashes == _MOST:
            journal.use_only_reference(f"only the reference device is used: {sentence}")
            _tell(f"{sentence}: going on with the reference device alone")
        else:
            _tell(f"{sentence}: going on without it there")


def spawned(command: Sequence[str], theirs: socket.socket) -> int:
    """A Start for processes with threads: a program with the number of its end of the connection,
    and that of its parent, as further arguments. What it prints goes to standard error; Ctrl-C is
    left to its parent."""
    end = theirs.fileno()
    arguments = [*command, str(end), str(os.getpid())]
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, 2, 1),
        (os.POSIX_SPAWN_DUP2, end, end),  # which makes it inheritable
    ]
    return os.posix_spawn(
        command[0], arguments, os.environ, file_actions=actions, setsigmask=[signal.SIGINT]
    )


def be_child(theirs: socket.socket, parent: int, body: Callable[[], int]) -> NoReturn:
    """The life of a child: `body`, and its exit code told to the process `parent`, with which it
    ends. Nothing of what it loads can spoil what is done, as it ends at once."""
    try:
        _depend_on(parent, theirs)
        code = body()
        with suppress(OSError, ValueError):  # nobody reads it: that has been told already
            sys.stdout.flush()
            sys.stderr.flush()
        theirs.send(bytes([code]))
    except Stopped as stopped:
        code = stopped.exit_code
    except BaseException:  # a bug of ours: told as Python does, and then a crash like others
        sys.excepthook(*sys.exc_info())
        code = 1
    os._exit(code)


def _depend_on(parent: int, theirs: socket.socket) -> None:
    """End with the process `parent`, and leave Ctrl-C to it."""
    import ctypes  # here: the parent does without

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    with suppress(OSError, AttributeError):  # elsewhere, the thread below has to do
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before that
        os._exit(1)
    threading.Thread(target=_end_with, args=(theirs,), daemon=True).start()


def _leave(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    """Clean up and go, without a word: the parent has it, and ends a child that takes too long."""
    leave(number)


def _end_with(theirs: socket.socket) -> None:
    """The connection ends when the parent does, however it ends."""
    with suppress(OSError):
        theirs.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


def _forked(body: Callable[[], int], theirs: socket.socket) -> int:
    parent = os.getpid()
    return os.fork() or be_child(theirs, parent, body)


def _run(folder: Path, journal: CrashJournal, start: Start) -> tuple[int | None, str]:
    """The exit code that a child reports, or None and how it ended without one."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            child = start(theirs)
        try:
            return _ending(child, ours, journal)
        except BaseException:  # Ctrl-C, of whatever kind
            end_process(child)
            raise
        finally:
            _tidy(folder)


def _ending(child: int, ours: socket.socket, journal: CrashJournal) -> tuple[int | None, str]:
    patience = _Patience(journal)
    while True:
        code = _heard(ours)
        if code is not None:
            end_process(child)
            return code, ""
        status = status_of(child)
        if status is not None:
            return None, how_it_ended(status)
        if patience.is_over():
            os.kill(child, signal.SIGKILL)
            status_of(child, wait=True)
            return None, f"did not come back within {journal.limit_s:g} s"


def _heard(ours: socket.socket) -> int | None:
    """The exit code, if it comes within a moment: not at all where the child closed its end."""
    ours.settimeout(_LOOK_S)
    try:
        if data := ours.recv(1):
            return data[0]
    except OSError:  # a time-out is one, too
        return None
    time.sleep(_SOON_S)
    return None


class _Patience:
    """Is over when one call of an engine takes longer than the child's journal says. Time does not
    pass while this process is suspended itself."""

    def __init__(self, journal: CrashJournal) -> None:
        self._journal = journal
        self._call: tuple[int, ...] | None = None
        self._waited_s = 0.0
        self._looked_s = time.monotonic()

    def is_over(self) -> bool:
        now_s, call = time.monotonic(), self._journal.at_work
        passed_s = min(now_s - self._looked_s, 4 * _LOOK_S)
        self._waited_s = self._waited_s + passed_s if call and call == self._call else 0.0
        self._looked_s, self._call = now_s, call
        return 0 < self._journal.limit_s < self._waited_s


def status_of(child: int, *, wait: bool = False) -> int | None:
    """Its status, None while it runs."""
    try:
        ended, status = os.waitpid(child, 0 if wait else os.WNOHANG)
    except ChildProcessError:  # somebody else in this process was told
        return 0
    return status if ended else None


def how_it_ended(status: int) -> str:
    """In words: `crashed (SIGSEGV)`; `status` is what waiting for a process gives."""
    if not os.WIFSIGNALED(status):
        return f"exited with status {os.waitstatus_to_exitcode(status)}"
    number = os.WTERMSIG(status)
    if number == signal.SIGKILL:
        return "was killed (SIGKILL), as the system does where memory runs out"
    names = {each.value: each.name for each in signal.Signals}
    return f"crashed ({names.get(number, f'signal {number}')})"


def end_process(child: int) -> int | None:
    """It is asked to stop, so that it cleans up, and then it has to. Its status, where it is not
    even gone then None."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(child, number)
        until_s = time.monotonic() + _STOP_S
        while time.monotonic() < until_s:
            status = status_of(child)
            if status is not None:
                return status
            time.sleep(_SOON_S)
    return None


def _tidy(folder: Path) -> None:
    """Remove the working files that a process left."""
    scratch = folder / SCRATCH_NOTE
    if scratch.exists():
        shutil.rmtree(scratch.read_bytes(), ignore_errors=True)


def _tell(sentence: str) -> None:
    print(printable(sentence), file=sys.stderr, flush=True)  # noqa: T201  a fork copies buffers
