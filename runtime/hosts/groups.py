"""Consecutive stages of one host, as a schedule that the host carries out by itself.

    run cpu.parallel: a             group on local   (x) -> a
    transfer a: host > b
    run b.cpu.parallel: b, c        group on b       (a) -> c
    run b.cpu.serial: d             .                    -> d
    transfer d: b > host
    run cpu.parallel: e             group on local   (c, d) -> e

Transfers between hosts are what groups read and write.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from stagecut.compiler.ir.device import StagedSchedule
from stagecut.compiler.ir.machine import LOCAL
from stagecut.compiler.ir.schedule import Run, Schedule


@dataclass(frozen=True, slots=True)
class HostGroup:
    """`first` is the plan's number of its first stage; `reads` and `writes` are values by name."""

    host: str
    first: int
    staged: StagedSchedule
    reads: tuple[str, ...]
    writes: tuple[str, ...]

    def at(self, host: str, device: str) -> "HostGroup":
        """The same at another place; it has one stage then."""
        [stage] = self.staged.schedule.stages
        schedule = Schedule((replace(stage, device=device),), self.staged.schedule.steps)
        return replace(self, host=host, staged=replace(self.staged, schedule=schedule))

    @property
    def is_here(self) -> bool:
        """Whether it runs in the session's own process."""
        return self.host == LOCAL

    @property
    def devices(self) -> tuple[str, ...]:
        """The device of each stage."""
        return tuple(stage.device for stage in self.staged.schedule.stages)

    @property
    def reads_bytes(self) -> int:
        """What it is sent for a run at the profiled shapes."""
        values = {value.name: value for each in self.staged.programs for value in each.inputs}
        return sum(values[name].size_bytes for name in self.reads)


def groups_of(
    staged: StagedSchedule, outputs: Sequence[str], host_of: Mapping[str, str]
) -> tuple[HostGroup, ...]:
    """In the order in which they run; `outputs` are handed back, `host_of` maps devices to the
    hosts that have them."""
    stages = enumerate(staged.schedule.stages)
    runs = groupby(stages, key=lambda numbered: host_of[numbered[1].device])
    parts = [(host, [index for index, _ in part]) for host, part in runs]
    wanted = set(outputs)
    groups = []
    for host, indices in reversed(parts):
        programs = [staged.programs[index] for index in indices]
        written = [value.name for program in programs for value in program.outputs]
        read = dict.fromkeys(value.name for program in programs for value in program.inputs)
        reads = tuple(name for name in read if name not in written)
        writes = tuple(name for name in written if name in wanted)
        groups.append(HostGroup(host, indices[0], _part(staged, indices), reads, writes))
        wanted = (wanted - {*written}) | {*reads}
    return tuple(reversed(groups))


def _part(staged: StagedSchedule, indices: Sequence[int]) -> StagedSchedule:
    stages = tuple(staged.schedule.stages[index] for index in indices)
    schedule = Schedule(stages, tuple(map(Run, range(len(stages)))))
    programs = tuple(staged.programs[index] for index in indices)
    return StagedSchedule(schedule, programs, (None,) * len(stages))
