"""The oracle for HBM-PIM's kernels: every column command, through small bank state machines.

Knows the order of the commands and the DRAM's rules, but no closed form. Each column command goes
out as early as the rules allow, in order; rows are closed and opened ahead of time, as soon as
their banks are done with the row before. What a kernel does before and after it runs is taken
from the model, whose intervals for it are no more than a list. A refresh holds everything up for as
long as the model says, as soon as its time has come.
"""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from stagecut.backends.pim.hbm import fixed, refresh
from stagecut.backends.pim.hbm.intervals import Intervals

Kind = Literal["read", "write"]


class Command(NamedTuple):
    """An ACT, RD or WR to all even or all odd banks (`side`), and the row it opens or uses."""

    cycle: int
    name: str
    side: str
    row: str


class Replay(NamedTuple):
    """Cycles of a kernel, column commands on each channel, and all commands while it runs."""

    cycles: int
    reads: int
    writes: int
    issued: tuple[Command, ...]


@dataclass
class Banks:
    """The even, or the odd, banks of a channel, which all work on the same command."""

    row: str
    opened: int
    last: int
    last_kind: Kind = "write"


@dataclass
class Channel:
    """PIM mode has just been started: by a write, in the even banks.

    `issued` are the commands so far, the last ACT and WR before PIM mode among them; an ACT comes
    directly before the first column command that needs it.
    """

    intervals: Intervals
    now: int = 0
    last_kind: Kind = "write"
    reads: int = 0
    writes: int = 0
    banks: dict[str, Banks] = field(default_factory=dict)
    refreshed: int = 0
    issued: list[Command] = field(default_factory=list)

    def __post_init__(self) -> None:
        t = self.intervals.timing
        self.now = fixed.enter(self.intervals)
        instructions = self.now - 1 - t.trcdwr
        self.banks["even"] = Banks("mode", self.now - t.trcdwr, self.now)
        self.banks["odd"] = Banks("registers", instructions - t.trcdwr, instructions)
        self.writes = fixed.WRITES + 1
        self.reads = fixed.reads(self.intervals)
        for side, banks in self.banks.items():
            self.issued.append(Command(banks.opened, "ACT", side, banks.row))
            self.issued.append(Command(banks.last, "WR", side, banks.row))

    def run(self, kind: Kind, side: str, row: str, bursts: int, *, wait: bool = False) -> None:
        """`bursts` column commands; with `wait`, the row is opened no sooner than it is needed."""
        for _ in range(bursts):
            self._column(kind, side, row, self.now + 1 if wait else 0)
        if kind == "read":
            self.reads += bursts
        else:
            self.writes += bursts

    def before(self, writes: int, cycles: int) -> None:
        """Further writes before PIM mode is started, which put everything off by `cycles`."""
        self.writes += writes
        self._put_off(cycles)
        self.issued = [command._replace(cycle=command.cycle + cycles) for command in self.issued]

    def end(self) -> int:
        """End PIM mode and leave; the kernel's cycles."""
        self.writes += 1
        drain = fixed.drain(self.intervals)
        self._hold(fixed.leave(self.intervals) - drain)
        return self.now + drain

    def _column(self, kind: Kind, side: str, row: str, not_before: int) -> None:
        t, banks = self.intervals.timing, self.banks[side]
        if banks.row != row:
            self._open(banks, row, not_before)
            self.issued.append(Command(banks.opened, "ACT", side, row))
        ready = banks.opened + (t.trcdrd if kind == "read" else t.trcdwr)
        self._hold(max(ready - self.now, self._gap(kind)))
        self.last_kind = kind
        banks.last, banks.last_kind = self.now, kind
        self.issued.append(Command(self.now, "RD" if kind == "read" else "WR", side, row))

    def _hold(self, cycles: int) -> None:
        """Let `cycles` pass, and every refresh whose time comes meanwhile."""
        t, due = self.intervals.timing, self.intervals.timing.trefi // self.intervals.geometry.ranks
        self.now += cycles
        while t.refresh and due + self.refreshed * t.trefi < self.now:
            self.refreshed += 1
            self._put_off(refresh.kernel_stall(self.intervals))

    def _put_off(self, cycles: int) -> None:
        self.now += cycles
        for banks in self.banks.values():
            banks.opened += cycles
            banks.last += cycles

    def _open(self, banks: Banks, row: str, not_before: int) -> None:
        t = self.intervals.timing
        data = t.bl // 2
        after_read = data + max(t.trtpl, t.tccdl) - t.tccdl
        recovered = after_read if banks.last_kind == "read" else t.wl + data + t.twr
        closed = max(banks.last + recovered, banks.opened + t.tras)
        banks.opened = max(closed + t.trp, banks.opened + t.trc, not_before)
        banks.row = row

    def _gap(self, kind: Kind) -> int:
        t = self.intervals.timing
        data = t.bl // 2
        if kind == self.last_kind:
            return max(t.tccdl, data)
        return t.rl + data + t.trtrs - t.wl if kind == "write" else t.wl + data + t.twtrl


def product(intervals: Intervals, *, steps: int, tiles: int) -> Replay:
    """`steps` output tiles of `tiles` input tiles."""
    channel, registers = Channel(intervals), intervals.geometry.registers
    for step in range(steps):
        if step:
            channel.run("write", "even", "mode", 2, wait=True)
        for tile in (*range(0, tiles, 2), *range(1, tiles, 2)):
            channel.run("write", "odd", "registers", registers)
            for burst in range(registers**2):
                row = f"tile {tile} row {burst // intervals.geometry.bursts_per_row}"
                channel.run("read", "odd" if tile % 2 else "even", row, 1)
        channel.run("write", "odd", "sums", registers)
    return Replay(channel.end(), channel.reads, channel.writes, tuple(channel.issued))


def tree_product(intervals: Intervals, *, steps: int, tiles: int) -> Replay:
    """The registers are cleared from a row of zeros in the even banks, written to every bank."""
    t, g = intervals.timing, intervals.geometry
    channel = Channel(intervals)
    zeros, data = g.banks * g.registers, t.bl // 2
    channel.before(zeros, 1 + t.trcdwr + zeros * max(t.tccds, data))
    channel.before(1, max(t.tccdl, data))
    for step in range(steps):
        if step:
            channel.run("write", "even", "mode", 2, wait=True)
        for tile in (*range(0, tiles, 2), *range(1, tiles, 2)):
            channel.run("read", "even", "zeros", g.registers)
            channel.run("write", "odd", "registers", g.registers)
            for burst in range(g.registers**2):
                row = f"tile {tile} row {burst // g.bursts_per_row}"
                channel.run("read", "odd" if tile % 2 else "even", row, 1)
            channel.run("write", "odd", "sums", g.registers)
    return Replay(channel.end(), channel.reads, channel.writes, tuple(channel.issued))


def elementwise(
    intervals: Intervals, *, reads: tuple[int, ...], scalars: int, passes: int
) -> Replay:
    """`reads`: how many runs are read from the row of each operand; `scalars` are written first."""
    channel, registers = Channel(intervals), intervals.geometry.registers
    channel.before(scalars, scalars * max(intervals.timing.tccdl, intervals.timing.bl // 2))
    for _ in range(passes):
        for side in ("even", "odd"):
            for operand, runs in enumerate(reads):
                channel.run("read", side, f"operand {operand}", runs * registers)
            channel.run("write", side, "result", registers)
    return Replay(channel.end(), channel.reads, channel.writes, tuple(channel.issued))
