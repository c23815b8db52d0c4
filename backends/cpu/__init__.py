"""ONNX Runtime on the CPU: `cpu.serial` and `cpu.parallel`."""

from collections.abc import Iterator, Mapping

from stagecut.backends.cpu.device import CpuBackend
from stagecut.backends.options import Options
from stagecut.backends.threads import has_every_cpu, on_threads, usable_cores
from stagecut.compiler.ir.machine import HOST, Memory


def create(name: str, options: Mapping[str, str]) -> CpuBackend:
    """`cpu.serial` runs on one thread, `cpu.parallel` on all usable CPUs or on `threads=N`.

    `watts_per_thread=X` is what each thread is taken to draw while it runs. Threads of
    `cpu.parallel` that wait for each other sleep, or spin with `waiting=spin`, which ends with each
    run; `pinning=on` keeps each on a CPU of its own.
    """
    own = () if name.endswith(".serial") else ("waiting", "pinning")
    device = on_threads(name, options, "ONNX Runtime on the CPU", "f32", also=own)
    read = Options(name, options)
    spins = read.choice("waiting", ("sleep", "spin"), default="sleep") == "spin"
    pins = read.choice("pinning", ("off", "on"), default="off") == "on"
    alone = tuple(_alone(device.cores, options))
    return CpuBackend(device, Memory(HOST), spins=spins, pins=pins, alone=alone)


def _alone(threads: int, options: Mapping[str, str]) -> Iterator[str]:
    if threads == 1 or "waiting" in options or "pinning" in options:
        return
    if has_every_cpu(threads):
        yield "pinning=on"
        yield "waiting=spin,pinning=on"
    else:
        yield "waiting=spin"
    if "threads" not in options and 1 < usable_cores() < threads:
        yield f"threads={usable_cores()},waiting=spin"
