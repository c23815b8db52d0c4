"""What runs in the process of a replica: prepare a stage once, then run it whenever told to.

    parent                                child
    the work, and two descriptors    >
                                          prepare
                                     <    done, or what is wrong
    writes inputs; go                >
                                          run, write outputs
                                     <    done, or what is wrong
    ends the connection              >    ends

The process ends with its parent, whatever becomes of that.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NoReturn

import numpy as np
import onnx
import onnx_ir as ir

from stagecut import backends
from stagecut.compiler.formats.kept_file import map_part
from stagecut.compiler.formats.weights import put_in_place
from stagecut.compiler.ir.device import Executable, StagedSchedule, StageProgram
from stagecut.compiler.ir.errors import RangeFault, told
from stagecut.compiler.ir.graph import Value
from stagecut.compiler.ir.schedule import Run, Schedule, Stage
from stagecut.runtime.prepare import prepare_stages
from stagecut.runtime.processes.shared import SharedTensors

#: What is sent first: a call, an answer that is there, an answer that is an error.
GO, DONE, WRONG = b"g", b"d", b"w"

#: How often it is looked whether the parent is still there, while a stage runs.
_LOOK_S = 0.5

_LENGTH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Work:
    """A stage for the process: the device's spec, the program, and where its weights lie in the
    file that it is handed; `weights` is empty where there are none."""

    spec: str
    name: str
    inputs: Sequence[tuple[str, str, Sequence[int]]]
    outputs: Sequence[tuple[str, str, Sequence[int]]]
    weights: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and whether only with the numbers in the inputs."""

    problem: str
    of_range: bool = False


def main(end: int, parent: int) -> NoReturn:
    """`end` is the number of this side of the connection to the process `parent`."""
    connection = socket.socket(fileno=end)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        _serve(connection)
    except OSError:  # nobody is there any more
        os._exit(0)
    os._exit(0)  # nothing that an engine does at its end matters any more


def send_message(connection: socket.socket, data: bytes) -> None:
    connection.sendall(len(data).to_bytes(_LENGTH_BYTES) + data)


def receive_message(connection: socket.socket) -> bytes:
    """Raises ConnectionError where the other side ends."""
    return _received(connection, int.from_bytes(_received(connection, _LENGTH_BYTES)))


def _received(connection: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        part = connection.recv(min(length - len(data), 1 << 20))
        if not part:
            raise ConnectionResetError
        data += part
    return bytes(data)


def _serve(connection: socket.socket) -> None:
    try:
        execute, tensors = _prepared(connection)
    except Exception as error:  # an engine's, or a device's that is not here
        _tell(connection, error)
        return
    connection.sendall(DONE)
    while connection.recv(1) == GO:
        try:
            results = execute(tensors.inputs)
            for place, result in zip(tensors.outputs, results, strict=True):
                np.copyto(place, result, casting="equiv")
        except Exception as error:  # an engine's, or an output that is none
            _tell(connection, error)
        else:
            connection.sendall(DONE)


def _prepared(connection: socket.socket) -> tuple[Executable, SharedTensors]:
    _, descriptors, _, _ = socket.recv_fds(connection, 1, 2)
    fields = json.loads(receive_message(connection))
    work = Work(**fields)
    model = ir.from_proto(onnx.load_model_from_string(receive_message(connection)))
    if work.weights:
        put_in_place(model, map_part(descriptors[1], *work.weights))
    program = StageProgram(work.name, model, _values(work.inputs), _values(work.outputs))
    tensors = SharedTensors(program, descriptors[0])
    [(device, backend)] = backends.create_from_plan([work.spec]).items()
    schedule = Schedule((Stage(device, (work.name,)),), (Run(0),))
    staged = StagedSchedule(schedule, (program,), (None,))
    return prepare_stages(staged, {device: backend})[0], tensors


def _values(fields: Sequence[tuple[str, str, Sequence[int]]]) -> tuple[Value, ...]:
    return tuple(Value(name, dtype, tuple(shape)) for name, dtype, shape in fields)


def _tell(connection: socket.socket, error: Exception) -> None:
    problem = Problem(told(error), isinstance(error, RangeFault))
    connection.sendall(WRONG)
    send_message(connection, json.dumps(asdict(problem)).encode())


def _end_with(parent: int) -> None:
    """An engine may be at work when the connection ends."""
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    os._exit(1)
