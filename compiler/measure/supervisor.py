"""Measure in a child process, and in a new one when an engine has crashed it.

Has to be called before anything is loaded that starts threads: these do not survive a fork.
"""

import os
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path

from stagecut.compiler.ir.errors import EngineError

#: In the folder for notes: the path of the folder that the process keeps its working files in.
SCRATCH_NOTE = "scratch"

#: So many crashes are worked around.
_MOST = 8


def survive_crashes() -> Path:
    """Continue in a child process, and return a folder for its notes (measure/crash_journal.py).

    The parent never returns: it passes signals on, and exits as the child does. It raises
    EngineError for a crash while no engine was called, and after too many crashes.
    """
    folder = Path(tempfile.mkdtemp(prefix="stagecut-"))
    crash = ""
    for _ in range(_MOST):
        alive, ours = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(ours)
            _become_child(alive, folder)
            return folder
        os.close(alive)
        status = _waited_for(child)
        os.close(ours)
        _tidy(folder)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if killed or not os.WIFSIGNALED(status):
            shutil.rmtree(folder, ignore_errors=True)
            sys.exit(128 + signal.SIGKILL if killed else os.WEXITSTATUS(status))
        crash = _settled(folder, signal.Signals(os.WTERMSIG(status)).name)
        if not crash:
            break
    shutil.rmtree(folder, ignore_errors=True)
    raise EngineError(
        crash or "the process crashed, and not while an engine was being measured",
        where="stagecut",
        fix="name the devices to use with --device, and leave the one out that crashes",
    )


def _become_child(alive: int, folder: Path) -> None:
    """Make this process its own group, so that it gets only the signals that the parent passes
    on."""
    os.setpgid(0, 0)
    threading.Thread(target=_stop_with_parent, args=(alive, folder), daemon=True).start()


def _stop_with_parent(alive: int, folder: Path) -> None:
    """Stop when the pipe ends, which it does when the parent ends, however it ends."""
    os.read(alive, 1)
    shutil.rmtree(folder, ignore_errors=True)
    os.kill(os.getpid(), signal.SIGTERM)


def _waited_for(child: int) -> int:
    """The child's status; meanwhile signals that ask to stop go to the child."""
    handlers = {
        number: signal.signal(number, lambda got, _: os.kill(child, got))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    _, status = os.waitpid(child, 0)
    for number, handler in handlers.items():
        signal.signal(number, handler)
    return status


def _tidy(folder: Path) -> None:
    """Remove the working files that a killed process left."""
    scratch = folder / SCRATCH_NOTE
    if scratch.exists():
        shutil.rmtree(scratch.read_bytes(), ignore_errors=True)


def _settled(folder: Path, name: str) -> str:
    """A sentence about the crash, written to standard error, too; empty where no engine was called.

    `name` is that of the signal.
    """
    from stagecut.compiler.measure.crash_journal import CrashJournal

    crash = CrashJournal(folder).record_crash()
    if crash is None:
        return ""
    what = crash.nodes[0] if len(crash.nodes) == 1 else f"a stage of {len(crash.nodes)} nodes"
    sentence = f"{crash.device} crashed ({name}) on {what}"
    print(f"{sentence}: going on without it there", file=sys.stderr)  # noqa: T201
    return sentence
