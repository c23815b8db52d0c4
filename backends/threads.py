"""A device that runs on the CPU's threads: how many, and what these draw."""

from collections.abc import Mapping

from stagecut.backends.options import Options
from stagecut.compiler.ir.machine import HOST, Device
from stagecut.compiler.measure.cpus import usable_cpus

#: A guess: what processors are sold for drawing, by hardware thread. See README.md.
WATTS_PER_THREAD = 3.0


def on_threads(name: str, options: Mapping[str, str], engine: str) -> tuple[Device, int]:
    """The device and its threads: one where the name ends in `.serial`, else all usable CPUs or
    `threads=N`.

    `watts_per_thread=X` is what each is taken to draw while it runs. Raises DeviceError for other
    options.
    """
    read = Options(name, options)
    serial = name.endswith(".serial")
    threads = 1 if serial else read.integer("threads", default=usable_cpus(), at_least=1)
    watts = read.number("watts_per_thread", default=WATTS_PER_THREAD, above=0)
    read.refuse_unread()
    plural = "thread" if threads == 1 else "threads"
    description = f"{engine}, {threads} {plural}"
    return Device(name, HOST, description=description, power_w=threads * watts), threads
