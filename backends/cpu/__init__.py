"""ONNX Runtime on the CPU: `cpu.serial` and `cpu.parallel`."""

from collections.abc import Mapping

from stagecut.backends.cpu.device import CpuBackend
from stagecut.backends.threads import on_threads
from stagecut.compiler.ir.machine import HOST, Memory


def create(name: str, options: Mapping[str, str]) -> CpuBackend:
    """`cpu.serial` runs on one thread, `cpu.parallel` on all usable CPUs or on `threads=N`.

    `watts_per_thread=X` is what each thread is taken to draw while it runs.
    """
    device, threads = on_threads(name, options, "ONNX Runtime on the CPU")
    return CpuBackend(device, threads, Memory(HOST))
