"""ONNX Runtime on the CPU: `cpu.serial` and `cpu.parallel`."""

from collections.abc import Mapping

from stagecut.backends.cpu.cores import usable_cpus
from stagecut.backends.cpu.device import CpuBackend
from stagecut.backends.options import Options
from stagecut.compiler.machine import HOST, Device, Memory

#: A guess: what processors are sold for drawing, by hardware thread. See README.md.
WATTS_PER_THREAD = 3.0


def create(name: str, options: Mapping[str, str]) -> CpuBackend:
    """`cpu.serial` runs on one thread, `cpu.parallel` on all usable CPUs or on `threads=N`.

    `watts_per_thread=X` is what each thread is taken to draw while it runs.
    """
    read = Options(name, options)
    if name == "cpu.serial":
        threads = 1
    else:
        threads = read.integer("threads", default=usable_cpus(), at_least=1)
    watts = read.number("watts_per_thread", default=WATTS_PER_THREAD, above=0)
    read.refuse_unread()
    plural = "thread" if threads == 1 else "threads"
    description = f"ONNX Runtime on the CPU, {threads} {plural}"
    device = Device(name, HOST, description=description, power_w=threads * watts)
    return CpuBackend(device, threads, Memory(HOST))
