"""Run operators' cases in child processes: where one crashes or hangs, the next takes its place."""

import json
import multiprocessing
import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection

from stagecut import backends
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
        found = child.ask(task)
        if found is None:
            done.put((task, (Verdict("crash", reason=child.end()),)))
            child = _Child(device)
        else:
            done.put((task, found))


class _Child:
    """A process that answers tasks, one at a time."""

    def __init__(self, device: str) -> None:
        self._pipe, theirs = _spawn.Pipe()
        self._process = _spawn.Process(target=_serve, args=(theirs, device), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, task: Task) -> tuple[Verdict, ...] | None:
        """None where it died, or takes too long."""
        try:
            self._pipe.send_bytes(json.dumps(asdict(task)).encode())
            if not self._pipe.poll(_LIMIT_S):
                return None
            return tuple(Verdict(**each) for each in json.loads(self._pipe.recv_bytes()))
        except (EOFError, ConnectionError):
            return None

    def end(self) -> str:
        """How it has ended, after it has been told to."""
        self._pipe.close()
        self._process.join(1)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
            return f"no answer after {_LIMIT_S:.0f} s"
        return f"exit code {self._process.exitcode}"


def _serve(pipe: Connection, device: str) -> None:
    backend = backends.create(device)
    while True:
        try:
            task = Task(**json.loads(pipe.recv_bytes()))
        except EOFError:
            return
        case = cases_of(task.op)[task.index]
        found = [asdict(each) for each in verdicts(case, backend, opened=task.opened)]
        pipe.send_bytes(json.dumps(found).encode())
