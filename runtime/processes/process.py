"""One process in which a replica of a stage runs, as this process sees it."""

import json
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from stagecut.compiler.formats.kept_file import place_of
from stagecut.compiler.formats.mapped_tensor import MappedTensor
from stagecut.compiler.formats.quantised_tensor import stored_parts
from stagecut.compiler.formats.weights import model_bytes
from stagecut.compiler.ir.device import StageProgram, Tensor
from stagecut.compiler.ir.errors import ClosedError, CrashFault, EngineError, RangeFault, StageFault
from stagecut.compiler.ir.graph import Value
from stagecut.compiler.measure.supervisor import (
    end_process,
    how_it_ended,
    spawned,
)
from stagecut.runtime.processes.child import (
    DONE,
    GO,
    WRONG,
    Problem,
    Work,
    receive_message,
    send_message,
)
from stagecut.runtime.processes.shared import SharedTensors

#: What a fresh interpreter runs. Threads that libraries start when they are loaded stay on the same
#: CPUs; with the caller's own path, it finds the devices that the caller would.
_START = """
import os, sys
cpus, parts, ends = sys.argv[1], sys.argv[2:-2], sys.argv[-2:]
if cpus:
    os.sched_setaffinity(0, map(int, cpus.split(",")))
sys.path[:] = parts
from stagecut.runtime.processes.child import main
main(*map(int, ends))
"""


@dataclass(frozen=True, slots=True)
class Job:
    """What a process is for: a stage of a plan on the device with this `spec`, on these `cpus`
    alone, or on any where there are none."""

    stage: int
    device: str
    spec: str
    program: StageProgram
    cpus: tuple[int, ...] = ()


class Process:
    """Started by the first call, and anew by the next one where it has ended. For one thread at a
    time; `end` from any, after which it takes no calls."""

    def __init__(self, job: Job, timeout_s: float | None = None) -> None:
        """A call that takes longer than `timeout_s` counts as a crash. Raises EngineError where the
        stage's tensors cannot be shared."""
        self._job = job
        self._timeout_s = timeout_s
        self._tensors = SharedTensors(job.program)
        self._connection: socket.socket | None = None
        self._ended = False
        self._lock = threading.Lock()
        #: The number of the process; None while there is none.
        self.number: int | None = None

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """As the stage's own executable. Raises CrashFault where the process ends meanwhile."""
        connection = self._connection or self._start()
        for place, tensor in zip(self._tensors.inputs, inputs, strict=True):
            np.copyto(place, tensor, casting="equiv")
        self._asked(connection, lambda: connection.sendall(GO))
        return [array.copy() for array in self._tensors.outputs]

    def end(self) -> None:
        """It is gone afterwards; a call that waits for it raises CrashFault."""
        self._ended = True
        self._forget()

    def _start(self) -> socket.socket:
        if self._ended:
            raise ClosedError("is closed", where=self._where, fix="load the plan in a new session")
        ours, theirs = socket.socketpair()
        cpus = ",".join(map(str, self._job.cpus))
        with theirs:
            try:
                self.number = spawned([sys.executable, "-c", _START, cpus, *sys.path], theirs)
            except OSError as error:
                ours.close()
                raise EngineError(
                    f"cannot start a process: {error.strerror}",
                    where=self._where,
                    fix="allow more processes, or compile for threads alone",
                ) from error
        ours.settimeout(self._timeout_s)
        self._connection = ours
        try:
            self._asked(ours, partial(self._hand_over, ours))
        except BaseException:
            self._forget()
            raise
        return ours

    @property
    def _where(self) -> str:
        return f"the process of stage {self._job.stage} on {self._job.device}"

    def _hand_over(self, connection: socket.socket) -> None:
        job = self._job
        descriptors, weights = [self._tensors.descriptor], _weights(job.program)
        if weights is not None:
            descriptor, *place = weights
            descriptors.append(descriptor)
        inputs, outputs = _described(job.program.inputs), _described(job.program.outputs)
        work = Work(job.spec, job.program.name, inputs, outputs, () if weights is None else place)
        socket.send_fds(connection, [GO], descriptors)
        send_message(connection, json.dumps(asdict(work)).encode())
        send_message(connection, model_bytes(job.program.model))

    def _asked(self, connection: socket.socket, ask: Callable[[], None]) -> None:
        """Ask, and wait until it is done; raises what the stage raises there."""
        how = ""
        try:
            ask()
            answer = connection.recv(1)
            problem = receive_message(connection) if answer == WRONG else b""
        except TimeoutError:
            how, answer = f"did not come back within {self._timeout_s:g} s", b""
        except OSError:  # it has ended
            answer = b""
        except BaseException:  # nobody knows any more what it will say next
            self._forget()
            raise
        if answer == WRONG:
            raise self._fault(Problem(**json.loads(problem)))
        if answer != DONE:
            status = self._forget()
            how = how or ("ended" if status is None else how_it_ended(status))
            raise CrashFault(
                f"the process in which it ran {how}", stage=self._job.stage, device=self._job.device
            )

    def _fault(self, problem: Problem) -> StageFault:
        kind = RangeFault if problem.of_range else StageFault
        return kind(problem.problem, stage=self._job.stage, device=self._job.device)

    def _forget(self) -> int | None:
        """End the process; its status, None where there is none."""
        with self._lock:
            connection, number = self._connection, self.number
            self._connection = self.number = None
        if connection is not None:
            with suppress(OSError):  # wakes who waits for it
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        return None if number is None else end_process(number)


def _described(values: Sequence[Value]) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(value.name, value.dtype, value.shape) for value in values]


def _weights(program: StageProgram) -> tuple[int, int, int] | None:
    """The descriptor of the file with the program's large weights, and where in it they lie."""
    parts = (
        part
        for name, value in program.model.graph.initializers.items()
        if value.const_value is not None
        for _, part in stored_parts(name, value.const_value)
    )
    region = next((each.region for each in parts if isinstance(each, MappedTensor)), None)
    return None if region is None else (*place_of(region), len(region))
