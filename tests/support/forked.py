"""`stagecut` as from a shell, in a process of its own that need not load its modules anew.

To load them is most of what a small command does. One server for all tests of a session has them,
starts no thread, and forks for each command:

    test -- arguments, folder, streams --> server -- fork --> keeper -- fork --> command
      ^----------------- its number, and then how it ended ----+

All that follows is the command's own: main(), its signals, its children and its end.
tests/compiler/cli/test_bad_input.py and test_streams.py start a fresh Python each time.
"""

import atexit
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, TypeAlias

from tests.support.repository import ROOT

#: What nearly every command needs, and that starts no thread when it is loaded.
_LOADED = (
    "stagecut.compiler.cli.app",
    "stagecut.compiler.onnx_runtime",
    "stagecut.compiler.pipeline",
    "stagecut.compiler.profiling",
    "stagecut.compiler.cli.dry_run",
    "stagecut.passes.sweep",
    "stagecut.runtime.session",
    *(f"stagecut.backends.{name}" for name in ("cpu", "null", "pim", "manycore")),
)
_SERVER = """
from tests.support.forked import serve
serve()
from stagecut.compiler.cli.main import main
main()
"""
#: numpy's, which would have threads otherwise.
_ONE_THREAD = "OPENBLAS_NUM_THREADS"
_MOST_BYTES = 1 << 17

#: Arguments, folder, environment.
Asked: TypeAlias = tuple[Sequence[str], str, Mapping[str, str]]


@dataclass
class Command:
    """One that runs, or has run; as subprocess has them."""

    pid: int
    returncode: int | None
    _told: IO[str]
    _printed: tuple[Future[str], Future[str]]

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def communicate(self, timeout: float) -> tuple[str, str]:
        """What it printed on standard output and standard error, once it has ended."""
        ready, _, _ = select.select([self._told], [], [], timeout)
        if not ready:
            self.send_signal(signal.SIGKILL)
            raise subprocess.TimeoutExpired("stagecut", timeout)
        with self._told:
            self.returncode = int(self._told.readline())
        out, err = self._printed
        return out.result(timeout), err.result(timeout)


def start(*arguments: str, folder: Path) -> Command:
    """`stagecut ARGUMENTS...` in `folder`, whose packages it finds."""
    ends = [os.pipe() for _ in range(3)]
    asked: Asked = (arguments, str(folder), _environment(str(folder)))
    socket.send_fds(_server(), [json.dumps(asked).encode()], [written for _, written in ends])
    for _, written in ends:
        os.close(written)
    out, err, told = (os.fdopen(read) for read, _ in ends)
    readers = ThreadPoolExecutor(2)
    printed = readers.submit(_all_of, out), readers.submit(_all_of, err)
    readers.shutdown(wait=False)
    return Command(int(told.readline()), None, told, printed)


def _all_of(file: IO[str]) -> str:
    with file:
        return file.read()


@cache
def _server() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        server = subprocess.Popen(
            [sys.executable, "-c", _SERVER, str(theirs.fileno())],
            env={**_environment(), _ONE_THREAD: "1"},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    atexit.register(server.wait)
    atexit.register(ours.close)  # before that: then it ends
    return ours


def _environment(*places: str) -> Mapping[str, str]:
    """Ours, with these places to import from before those that we have."""
    path = os.pathsep.join((*places, str(ROOT), *filter(None, sys.path)))
    return {**os.environ, "PYTHONPATH": path}


def serve() -> None:
    """Returns in each command, ready to begin; the server itself ends with its tests."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the tests end it
    for module in _LOADED:
        importlib.import_module(module)
    asking = socket.socket(fileno=int(sys.argv[1]))
    while True:
        text, ends, _, _ = socket.recv_fds(asking, _MOST_BYTES, 3)
        with suppress(ChildProcessError):  # none is left
            while os.waitpid(-1, os.WNOHANG)[0]:  # keepers that are done
                pass
        if not text:
            os._exit(0)
        assert len([*Path("/proc/self/task").iterdir()]) == 1, "a thread would be lost"
        if os.fork() == 0:
            asking.close()
            if not _keeps(*ends):
                return _become(json.loads(text), *ends)
        for end in ends:
            os.close(end)


def _keeps(out: int, err: int, tell: int) -> bool:
    """False in the command; in its keeper this does not return."""
    command = os.fork()
    if command == 0:
        return False
    os.close(out)
    os.close(err)
    os.write(tell, f"{command}\n".encode())
    _, status = os.waitpid(command, 0)
    os.write(tell, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _become(asked: Asked, out: int, err: int, tell: int) -> None:
    """As the command would have been started."""
    os.dup2(out, 1)
    os.dup2(err, 2)
    for end in (out, err, tell):
        os.close(end)
    arguments, folder, environment = asked
    sys.argv = ["stagecut", *arguments]
    sys.path.insert(0, folder)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    signal.signal(signal.SIGINT, signal.default_int_handler)
