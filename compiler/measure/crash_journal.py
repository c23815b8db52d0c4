"""Notes of which stage an engine was called for, in case it crashes the whole process.

Before each call of an engine a process notes in a file which stage it prepares or runs, and after
it that it came back. When it dies in between, its parent reads the note (`record_crash`), and the
next process leaves that stage out (`crashes`). A note is sixteen bytes in a mapped file: they are
kept when the process dies, and writing them takes a few hundred nanoseconds.
"""

import json
import mmap
import struct
from dataclasses import asdict, dataclass
from pathlib import Path

from stagecut.compiler.ir.device import StagedSchedule

_NOTE = struct.Struct("<QQ")  # which list of stages, and which stage of it, from 1; 0 for none


@dataclass(frozen=True, slots=True)
class Crash:
    """Running these nodes as one stage on `device` ended the process."""

    device: str
    nodes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.device} crashed the process"


class CrashJournal:
    """The notes in `folder`, which is used by one process at a time and must outlive them all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lists = 0
        path = folder / "note"
        if not path.exists():
            path.write_bytes(bytes(_NOTE.size))
        with path.open("r+b") as file:
            self._note = mmap.mmap(file.fileno(), _NOTE.size)

    def watch(self, staged: StagedSchedule) -> "Watch":
        """A watch over the stages of a schedule that is about to be prepared and run."""
        self._lists += 1
        stages = staged.schedule.stages
        crashes = [asdict(Crash(stage.device, stage.nodes)) for stage in stages]
        self._list(self._lists).write_text(json.dumps(crashes))
        return Watch(self._note, self._lists)

    def record_crash(self) -> Crash | None:
        """The crash that ended the process that wrote these notes, which is added to `crashes`;
        None where no engine was being called."""
        listed, stage = _NOTE.unpack_from(self._note)
        if not stage:
            return None
        crash = _crash(json.loads(self._list(listed).read_text())[stage - 1])
        known = [asdict(each) for each in (*self.crashes(), crash)]
        self._known.write_text(json.dumps(known))
        _NOTE.pack_into(self._note, 0, 0, 0)
        return crash

    def crashes(self) -> tuple[Crash, ...]:
        """All crashes so far."""
        if not self._known.exists():
            return ()
        return tuple(map(_crash, json.loads(self._known.read_text())))

    @property
    def _known(self) -> Path:
        return self._folder / "crashes.json"

    def _list(self, number: int) -> Path:
        return self._folder / f"stages-{number}.json"


@dataclass(frozen=True, slots=True)
class Watch:
    """Told when an engine is called for a stage, and when it has come back."""

    note: mmap.mmap
    listed: int

    def enter(self, stage: int) -> None:
        _NOTE.pack_into(self.note, 0, self.listed, stage + 1)

    def leave(self) -> None:
        _NOTE.pack_into(self.note, 0, 0, 0)


def _crash(document: dict[str, object]) -> Crash:
    nodes = document["nodes"]
    return Crash(str(document["device"]), tuple(map(str, nodes if isinstance(nodes, list) else ())))
