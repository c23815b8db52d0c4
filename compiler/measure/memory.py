"""How much memory this process has, and how much it may still use, so that no more is asked for."""

from dataclasses import dataclass
from pathlib import Path

from stagecut.compiler.ir.errors import ShapeError
from stagecut.compiler.ir.units import size
from stagecut.compiler.measure.control_groups import SELF, groups, text_of

_MEMORY_INFO = Path("/proc/meminfo")
_UNLIMITED = 1 << 63
#: No reason to look, which takes a millisecond: there is room for that wherever this runs.
_LITTLE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Resident:
    """What a process has in memory now, and the most that it has had; both with what it has mapped
    from files and read."""

    steady_bytes: int
    peak_bytes: int


def resident(process: Path = SELF) -> Resident:
    """As Linux tells it; noughts elsewhere."""
    lines = (line.partition(":") for line in text_of(process / "status").splitlines())
    amounts = {name: amount.split() for name, _, amount in lines}

    def told(name: str) -> int:
        number = amounts.get(name)
        return 1024 * int(number[0]) if number else 0

    return Resident(told("VmRSS"), told("VmHWM"))


def usable_bytes(memory_info: Path = _MEMORY_INFO, process: Path = SELF) -> int:
    """What Linux has left without swapping, or less where a control group has less left."""
    left = _UNLIMITED
    for line in text_of(memory_info).splitlines():
        name, _, amount = line.partition(":")
        if name == "MemAvailable":
            left = _number(amount.removesuffix("kB")) * 1024
    return max(0, min(left, *map(_left, groups("memory", process)), _UNLIMITED))


def check_room(size_bytes: int, where: str) -> None:
    """Raise ShapeError for a tensor that the machine has no memory for: it would refuse, or worse,
    agree and kill the process later."""
    if size_bytes <= _LITTLE_BYTES:
        return
    left = usable_bytes()
    if size_bytes > left:
        raise ShapeError(
            f"a tensor of this shape takes {size(size_bytes)}, and {size(left)} of memory are left",
            where=where,
            fix="give smaller sizes, or use a machine with more memory",
        )


def _left(group: Path) -> int:
    """What a group grants, less what is in use in it and in those below; files that were read are
    kept only as long as nothing else needs the room.

    Version 2 has "max" or bytes in `memory.max`, version 1 has other files.
    """
    granted = text_of(group / "memory.max")
    if granted:
        used, kept = text_of(group / "memory.current"), ("active_file", "inactive_file")
    else:
        granted = text_of(group / "memory.limit_in_bytes")
        used = text_of(group / "memory.usage_in_bytes")
        kept = ("total_active_file", "total_inactive_file")
    limit = _number(granted)
    if limit < 0:  # so some write that there is none
        return _UNLIMITED
    lines = [line.split() for line in text_of(group / "memory.stat").splitlines()]
    files = sum(_number(line[1], 0) for line in lines if len(line) == 2 and line[0] in kept)
    return limit - max(0, _number(used, 0) - files)


def _number(text: str, otherwise: int = _UNLIMITED) -> int:
    try:
        return int(text)
    except ValueError:  # not there, "max", or something else
        return otherwise
