"""The stages of a schedule, each in as many processes as it has replicas.

replica threads of stage 0      idle processes of stage 0
  call                            take one, copy inputs, wait, copy outputs, put it back
"""

import os
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from queue import SimpleQueue

from stagecut import backends
from stagecut.compiler.ir.device import Backend, Executable, StagedSchedule, Tensor
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.machine import HOST
from stagecut.compiler.measure.cpus import usable_cpus
from stagecut.compiler.measure.topology import Group, topology
from stagecut.runtime.processes.process import Job, Process


class Processes:
    """`stages` run the stages of `staged`, in `replicas` processes each, which are started when
    they are first needed and end with `close`, with this object, or with this process. No stage has
    more than there are CPUs, wherever the plan comes from: the callers of others wait.

    With `pinned`, each keeps to CPUs of its own, where there are enough for all. `engines` are the
    devices, `specs` what they were asked for with. A call that takes longer than `timeout_s` counts
    as a crash. Raises EngineError where a stage cannot run so.
    """

    def __init__(
        self,
        staged: StagedSchedule,
        replicas: Sequence[int],
        engines: Mapping[str, Backend],
        specs: Mapping[str, str],
        *,
        pinned: bool,
        timeout_s: float | None = None,
    ) -> None:
        jobs = [*_jobs(staged, engines, specs)]
        cores = [engines[job.device].device.cores for job in jobs]
        counts = [min(count, usable_cpus()) for count in replicas]
        cpus = _apart(counts, cores) if pinned else None
        processes = [
            [Process(_on(job, cpus, count), timeout_s) for _ in range(counts[job.stage])]
            for job, count in zip(jobs, cores, strict=True)
        ]
        self.stages: Sequence[Executable] = [_Pool(each) for each in processes]
        self._end = weakref.finalize(self, _end, [*chain(*processes)], os.getpid())

    def close(self) -> None:
        """The processes are gone afterwards, and no others are started."""
        self._end()


class _Pool:
    """An executable of several processes, each for one caller at a time; others wait."""

    def __init__(self, processes: Sequence[Process]) -> None:
        self._idle: SimpleQueue[Process] = SimpleQueue()
        for each in processes:
            self._idle.put(each)

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        process = self._idle.get()
        try:
            return process(inputs)
        finally:
            self._idle.put(process)


def _jobs(
    staged: StagedSchedule, engines: Mapping[str, Backend], specs: Mapping[str, str]
) -> Iterator[Job]:
    pairs = zip(staged.schedule.stages, staged.programs, strict=True)
    for index, (stage, program) in enumerate(pairs):
        engine = engines[stage.device]
        if engine.memory.name != HOST:
            raise EngineError(
                "has a memory of its own, which is in this process",
                where=f"stage {index} on {stage.device}",
                fix="run the stage in threads",
            )
        one = backends.serving_one(engine)
        spec = specs[stage.device]
        yield Job(index, stage.device, backends.configured(spec, one) if one else spec, program)


def _on(job: Job, cpus: Iterator[int] | None, cores: int) -> Job:
    """The job on the next CPUs that nobody has yet."""
    if cpus is None:
        return job
    return replace(job, cpus=tuple(islice(cpus, cores)))


def _apart(replicas: Sequence[int], cores: Sequence[int]) -> Iterator[int] | None:
    """The CPUs to hand out, those that share a cache one after the other; None where they are too
    few."""
    needed = sum(count * each for count, each in zip(replicas, cores, strict=True))
    cpus = [*_together(topology())]
    return iter(cpus) if needed <= len(cpus) else None


def _together(groups: Sequence[Group]) -> Iterator[int]:
    for group in groups:
        if group.groups:
            yield from _together(group.groups)
        else:
            yield from group.cpus


def _end(processes: Sequence[Process], owner: int) -> None:
    if os.getpid() == owner:  # a copy of the owner, forked off, must not end them
        for each in processes:
            each.end()
