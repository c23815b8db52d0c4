"""Run operators' cases in child processes: where one crashes or hangs, the next takes its place."""

import json
import multiprocessing
import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection

from stagecut import backends
from stagecut.compiler.onnx_runtime import ort
from tests.support.operators.forms import cases_of
from tests.support.operators.verdict import Verdict, verdicts

#: No case takes a second.
_LIMIT_S = 60.0

_spawn = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Task:
    """A case by its place among those of its operator."""

    op: str
    index: int
    opened: bool = False


def run(
    tasks: Sequence[Task], device: str, processes: int
) -> Iterator[tuple[Task, tuple[Verdict, ...]]]:
    """Each task with its verdicts, as they come."""
    waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[Task, tuple[Verdict, ...]]] = queue.SimpleQueue()
    for task in tasks:
        waiting.put(task)
    for _ in range(processes):
        threading.Thread(target=_feed, args=(waiting, done, device), daemon=True).start()
    for _ in tasks:
        yield done.get()


def _feed(
    waiting: "queue.SimpleQueue[Task]",
    done: "queue.SimpleQueue[tuple[Task, tuple[Verdict, ...]]]",
    device: str,
) -> None:
    child = _Child(device)
    while True:
        try:
            task = waiting.get_nowait()
        except queue.Empty:
            child.end()
            return
        found, crash = child.ask(task)
        done.put((task, found))
        if crash:
            child = _Child(device)


class _Child:
    """A process that answers tasks, one at a time."""

    def __init__(self, device: str) -> None:
        self._pipe, theirs = _spawn.Pipe()
        self._process = _spawn.Process(target=_serve, args=(theirs, device), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, task: Task) -> tuple[tuple[Verdict, ...], bool]:
        """The verdicts, and whether it is at its end: it died, or took too long."""
        try:
            self._pipe.send_bytes(json.dumps(asdict(task)).encode())
            if self._pipe.poll(_LIMIT_S):
                found = json.loads(self._pipe.recv_bytes())
                return tuple(Verdict(**each) for each in found), False
            reason = f"no answer after {_LIMIT_S:.0f} s"
            self._process.kill()
        except (EOFError, ConnectionError):
            reason = ""
        self.end()
        reason = reason or f"exit code {self._process.exitcode}"
        return (Verdict("crash", reason=reason),), True

    def end(self) -> None:
        self._pipe.close()
        self._process.join()


def _serve(pipe: Connection, device: str) -> None:
    ort.set_default_logger_severity(4)
    backend = backends.create(device)
    while True:
        try:
            task = Task(**json.loads(pipe.recv_bytes()))
        except EOFError:
            return
        case = cases_of(task.op)[task.index]
        found = [asdict(each) for each in verdicts(case, backend, opened=task.opened)]
        pipe.send_bytes(json.dumps(found).encode())
