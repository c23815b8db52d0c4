"""What an engine was at when it took the whole process down.

A process notes in a file which stage it is about to prepare or run, and that it came back. When it
dies in between, its parent reads the note (`settle`), and the next process knows what to keep off
(`crashes`). A note is sixteen bytes in a mapped file: the system keeps them when the process goes,
and writing them takes a few hundred nanoseconds.
"""

import json
import mmap
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from stagecut.compiler.ir.schedule import Stage

_NOTE = struct.Struct("<QQ")  # which list of stages, and which stage of it, from 1; 0 for none


@dataclass(frozen=True, slots=True)
class Crash:
    """Running these nodes as one stage on `device` ended the process."""

    device: str
    nodes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.device} crashed the process"


class Notes:
    """Kept in `folder`, by one process at a time; the folder must outlive them all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lists = 0
        path = folder / "note"
        if not path.exists():
            path.write_bytes(bytes(_NOTE.size))
        with path.open("r+b") as file:
            self._note = mmap.mmap(file.fileno(), _NOTE.size)

    def watch(self, stages: Sequence[Stage]) -> "Watch":
        """A watch over some stages that are about to be prepared and run."""
        self._lists += 1
        crashes = [asdict(Crash(stage.device, stage.nodes)) for stage in stages]
        self._list(self._lists).write_text(json.dumps(crashes))
        return Watch(self._note, self._lists)

    def settle(self) -> Crash | None:
        """What the process died of that kept these notes; None where no engine was at work."""
        listed, stage = _NOTE.unpack_from(self._note)
        if not stage:
            return None
        crash = _crash(json.loads(self._list(listed).read_text())[stage - 1])
        known = [asdict(each) for each in (*self.crashes(), crash)]
        self._known.write_text(json.dumps(known))
        _NOTE.pack_into(self._note, 0, 0, 0)
        return crash

    def crashes(self) -> tuple[Crash, ...]:
        """What has been settled so far."""
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
