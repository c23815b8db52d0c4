"""A device of another package that prints on standard output whatever is done with it.

In Python and in native code: when it is loaded, made, asked, prepared and run, in a thread that goes
on, and when the process ends. For processes of its own: not to be imported by a test.
"""

import atexit
import ctypes
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from stagecut.backends import null
from stagecut.compiler.ir.device import Estimate, Executable, StageProgram, Support, Tensor
from stagecut.compiler.ir.graph import Node
from stagecut.compiler.ir.machine import Device
from tests.support.like import Like

def _print(what: str) -> None:
    print(f"noise of {what} in Python")
    os.write(1, f"noise of {what} by descriptor\n".encode())
    libc = ctypes.CDLL(None)
    libc.puts(f"noise of {what} in C".encode())  # which keeps it until its buffer is full


def _go_on() -> None:
    while True:
        print("noise of a thread")
        time.sleep(0.1)


@dataclass(frozen=True)
class Noisy(Like):
    """As `null`, but for its name."""

    name: str

    @property
    def device(self) -> Device:
        return replace(self.inner.device, name=self.name)

    def supports(self, node: Node) -> Support:
        _print("supports")
        return super().supports(node)

    def estimate(self, node: Node) -> Estimate | None:
        _print("estimate")
        return super().estimate(node)

    def prepare(self, stage: StageProgram) -> Executable:
        _print("prepare")
        execute = super().prepare(stage)

        def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
            _print("run")
            return execute(inputs)

        return run


def create(name: str, options: Mapping[str, str]) -> Noisy:
    """Options: those of `null`; measured, unless they say otherwise."""
    _print("create")
    return Noisy(null.create(name, {"memory": "host", "basis": "measured", **options}), name)


_print("load")
atexit.register(_print, "end")
threading.Thread(target=_go_on, daemon=True).start()
