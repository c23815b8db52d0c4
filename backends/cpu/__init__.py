"""ONNX Runtime on the CPU: `cpu.serial` and `cpu.parallel`."""

from collections.abc import Mapping

from stagecut.backends.cpu.cores import usable_cpus
from stagecut.backends.cpu.device import CpuBackend
from stagecut.backends.options import Options
from stagecut.compiler.machine import HOST, Device, Memory


def create(name: str, options: Mapping[str, str]) -> CpuBackend:
    """`cpu.serial` runs on one thread, `cpu.parallel` on all usable CPUs or on `threads=N`."""
    read = Options(name, options)
    if name == "cpu.serial":
        threads = 1
    else:
        threads = read.integer("threads", default=usable_cpus(), at_least=1)
    read.refuse_unread()
    plural = "thread" if threads == 1 else "threads"
    description = f"ONNX Runtime on the CPU, {threads} {plural}"
    return CpuBackend(Device(name, HOST, description=description), threads, Memory(HOST))
