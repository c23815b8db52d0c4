"""A device that runs on the CPU's threads: how many, and what these draw."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from stagecut.backends.options import Options
from stagecut.compiler.ir.machine import HOST, Device
from stagecut.compiler.measure.cpus import usable_cpus

#: A guess: what processors are sold for drawing, by hardware thread. See README.md.
WATTS_PER_THREAD = 3.0

#: Of threads: more than any machine has CPUs, and few enough to be started.
MOST_THREADS = 4096

#: Where Linux tells which CPUs are threads of one core.
_TOPOLOGY = Path("/sys/devices/system/cpu")

#: The resource that every engine on the CPU uses: they compete for its cores.
CPU = "cpu"


def on_threads(
    name: str,
    options: Mapping[str, str],
    engine: str,
    precision: str,
    *,
    also: Sequence[str] = (),
) -> Device:
    """The device, whose `cores` are its threads: one where the name ends in `.serial`, else all
    usable CPUs or `threads=N`.

    `watts_per_thread=X` is what each is taken to draw while it runs. `also` are options that the
    engine reads itself. Raises DeviceError for others.
    """
    read = Options(name, options)
    serial = name.endswith(".serial")
    usual = usable_cpus()
    threads = (
        1 if serial else read.integer("threads", default=usual, at_least=1, at_most=MOST_THREADS)
    )
    watts = read.number("watts_per_thread", default=WATTS_PER_THREAD, above=0)
    for key in also:
        read.text(key, default="")
    read.refuse_unread()
    plural = "thread" if threads == 1 else "threads"
    return Device(
        name,
        HOST,
        description=f"{engine}, {threads} {plural}",
        power_w=threads * watts,
        precision=precision,
        resource=CPU,
        cores=threads,
    )


def has_every_cpu(threads: int) -> bool:
    """Whether `threads` are as many as the machine has CPUs, and all of them may be used: on a part
    of a machine, other processes may pin their threads to the same CPUs."""
    return threads == usable_cpus() == os.cpu_count()


def usable_cores(topology: Path = _TOPOLOGY) -> int:
    """How many cores the usable CPUs are threads of; as many as CPUs where it is not known."""
    allowed = os.sched_getaffinity(0)
    files = (topology / f"cpu{cpu}" / "topology" / "thread_siblings_list" for cpu in allowed)
    try:
        cores = len({file.read_text() for file in files})
    except OSError:
        cores = len(allowed)
    return min(cores, usable_cpus())
