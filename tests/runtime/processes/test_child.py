"""What a child does with what it is told, here in a thread of this process."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from stagecut.compiler.formats.weights import model_bytes
from stagecut.runtime.processes import child
from stagecut.runtime.processes.process import _described, _weights
from stagecut.runtime.processes.shared import SharedTensors
from tests.support.hosted import FEEDS, expected_outputs, staged

[PROGRAM] = staged().programs


@contextmanager
def _served() -> Iterator[socket.socket]:
    """A connection to what serves it, which ends with it."""
    ours, theirs = socket.socketpair()
    ours.settimeout(60)
    thread = threading.Thread(target=child._serve, args=(theirs,), daemon=True)
    thread.start()
    yield ours
    ours.close()
    thread.join(60)
    assert not thread.is_alive()


@pytest.fixture
def connection() -> Iterator[socket.socket]:
    with _served() as connection:
        yield connection


def _hand_over(connection: socket.socket, spec: str) -> SharedTensors:
    tensors, weights = SharedTensors(PROGRAM), _weights(PROGRAM)
    assert weights is not None
    work = {
        "spec": spec,
        "name": "p",
        "inputs": _described(PROGRAM.inputs),
        "outputs": _described(PROGRAM.outputs),
        "weights": weights[1:],
    }
    socket.send_fds(connection, [child.GO], [tensors.descriptor, weights[0]])
    child.send_message(connection, json.dumps(work).encode())
    child.send_message(connection, model_bytes(PROGRAM.model))
    return tensors


def test_it_prepares_once_and_runs_whenever_it_is_told(connection: socket.socket) -> None:
    tensors = _hand_over(connection, "cpu.serial")
    assert connection.recv(1) == child.DONE
    for factor in (1, 2):
        tensors.inputs[0][:] = factor * FEEDS["x"]
        connection.sendall(child.GO)
        assert connection.recv(1) == child.DONE
        expected = expected_outputs(tensors.inputs[0])
        for given, value in zip(tensors.outputs, PROGRAM.outputs, strict=True):
            np.testing.assert_allclose(given, expected[value.name], rtol=1e-5)


def test_what_is_wrong_is_told_and_ends_it(connection: socket.socket) -> None:
    _hand_over(connection, "npu")
    assert connection.recv(1) == child.WRONG
    problem = json.loads(child.receive_message(connection))
    assert problem == {"problem": "there is no device 'npu'", "of_range": False}


def test_a_run_that_fails_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def prepared(_: socket.socket) -> tuple[object, SharedTensors]:
        tensors = SharedTensors(PROGRAM)
        return lambda _: [np.zeros((2, 24), np.float64)] * 2, tensors

    monkeypatch.setattr(child, "_prepared", prepared)
    with _served() as connection:
        assert connection.recv(1) == child.DONE
        for _ in range(2):
            connection.sendall(child.GO)
            assert connection.recv(1) == child.WRONG
            problem = json.loads(child.receive_message(connection))["problem"]
            assert "Cannot cast" in problem


def test_a_message_that_is_cut_short() -> None:
    ours, theirs = socket.socketpair()
    ours.sendall((10).to_bytes(8) + b"123")
    ours.close()
    with theirs, pytest.raises(ConnectionError):
        child.receive_message(theirs)
