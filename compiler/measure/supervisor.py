"""Measuring in a child process, and in another one where an engine has taken the first one down.

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
    """Goes on in a child process, and returns a folder for its notes (measure/crash_journal.py).

    The parent never returns: it hands on signals, and exits as the child does. Raises EngineError
    there for a crash that is no engine's, or one of too many.
    """
    folder = Path(tempfile.mkdtemp(prefix="stagecut-"))
    told = ""
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
        told = _settled(folder, signal.Signals(os.WTERMSIG(status)).name)
        if not told:
            break
    shutil.rmtree(folder, ignore_errors=True)
    raise EngineError(
        told or "the process crashed, and not while an engine was being measured",
        where="stagecut",
        fix="name the devices to use with --device, and leave the one out that crashes",
    )


def _become_child(alive: int, folder: Path) -> None:
    """In a process group of its own, so that it gets the signals that the parent hands on, once."""
    os.setpgid(0, 0)
    threading.Thread(target=_stop_with_parent, args=(alive, folder), daemon=True).start()


def _stop_with_parent(alive: int, folder: Path) -> None:
    """The pipe ends when the parent does, however it ends."""
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
    """Remove what a process that was killed could not."""
    scratch = folder / SCRATCH_NOTE
    if scratch.exists():
        shutil.rmtree(scratch.read_text(), ignore_errors=True)


def _settled(folder: Path, name: str) -> str:
    """What crashed, said on standard error, too; empty where no engine was at work."""
    from stagecut.compiler.measure.crash_journal import Notes

    crash = Notes(folder).settle()
    if crash is None:
        return ""
    what = crash.nodes[0] if len(crash.nodes) == 1 else f"a stage of {len(crash.nodes)} nodes"
    told = f"{crash.device} crashed ({name}) on {what}"
    print(f"{told}: going on without it there", file=sys.stderr)  # noqa: T201
    return told
