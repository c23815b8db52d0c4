"""Notes of what somebody else's code is called for, in case it takes the whole process down.

Before each call of an engine a process notes in a file which stage it prepares or runs, or what a
device is asked, and after it that it came back. When it dies in between, or does not come back, the
process that watches it reads the note (`record_crash`), and the next process leaves that out: it is
refused when it is about to be called again. A note is a few bytes in a mapped file: they are kept
when the process dies, and writing them takes a few hundred nanoseconds.

Imports nothing heavy: the process that watches reads it while the other one works.
"""

import json
import mmap
import struct
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from stagecut.compiler.formats.atomic import writing
from stagecut.compiler.ir.errors import CrashedError, EngineError

if TYPE_CHECKING:
    from stagecut.compiler.ir.device import StagedSchedule

#: Preparing a large model can take a minute; a call that takes longer than this hangs.
ENGINE_TIMEOUT_S = 120.0

#: The device that is left where all others may be to blame: one thread of ONNX Runtime.
REFERENCE = "cpu.serial"

#: The list of stages, and which stage of it, from 1, and 0 for none; without a list (0), how long
#: the text of a question is. Then the number of the call, and the longest that one may take.
_NOTE = struct.Struct("<QQQd")
_CALL = struct.Struct("<QQQ")
_TEXT_BYTES = 4096

#: After so many crashes a device is left out.
_MOST = 3


@dataclass(frozen=True, slots=True)
class Crash:
    """Running these nodes as one stage on `device` ended the process, or being `asked` about them;
    without nodes, being made. `how` goes on after the name of the device."""

    device: str
    nodes: tuple[str, ...]
    how: str
    asked: bool = False

    def __str__(self) -> str:
        return f"it {self.how}"

    @property
    def sentence(self) -> str:
        if not self.nodes:
            return f"{self.device} {self.how} when it was made"
        what = self.nodes[0] if len(self.nodes) == 1 else f"a stage of {len(self.nodes)} nodes"
        if self.asked:
            return f"{self.device} {self.how} when it was asked about {what}"
        return f"{self.device} {self.how} on {what}"


class CrashJournal:
    """The notes in `folder`, which is used by one process at a time and must outlive them all.

    `limit_s` is how long a call may take before it counts as one that never comes back; 0 for ever.
    Tells a device's listener (ir/device.py), and the watches of schedules.
    """

    def __init__(self, folder: Path, limit_s: float = 0.0) -> None:
        self._folder = folder
        self._lists = 0
        self._calls = 0
        path = folder / "note"
        if not path.exists():
            _write(path, bytes(_NOTE.size + _TEXT_BYTES))
        with path.open("r+b") as file:
            self._note = mmap.mmap(file.fileno(), _NOTE.size + _TEXT_BYTES)
        self._why_alone = self.only_reference
        if limit_s and not self._why_alone:
            _NOTE.pack_into(self._note, 0, 0, 0, 0, limit_s)

    def watch(self, staged: "StagedSchedule") -> "Watch":
        """A watch over the stages of a schedule that is about to be prepared and run."""
        self._lists += 1
        stages = [(stage.device, stage.nodes) for stage in staged.schedule.stages]
        _write(self._list(self._lists), json.dumps(stages).encode())
        refused = {
            index: reason
            for index, (device, nodes) in enumerate(stages)
            if (reason := self._out.get(device) or self._refused.get((device, nodes, False)))
        }
        return Watch(self._note, self._lists, refused)

    def ask(self, device: str, node: str = "") -> None:
        """A listener's; raises EngineError where the question is not to be asked again."""
        if self._crashed or self._why_alone:
            self._refuse(device, node)
        self._calls += 1
        text = f"{device}\0{node}".encode()[:_TEXT_BYTES]
        self._note[_NOTE.size : _NOTE.size + len(text)] = text
        _CALL.pack_into(self._note, 0, 0, len(text), self._calls)

    def leave(self) -> None:
        _CALL.pack_into(self._note, 0, 0, 0, self._calls)

    def _refuse(self, device: str, node: str) -> None:
        reason = self._out.get(device)
        if self._why_alone and device != REFERENCE:
            reason = self._why_alone
        if not node:
            if reason:
                raise CrashedError(reason, where=f"device {device}", fix="leave it out")
            return
        reason = reason or self._refused.get((device, (node,), True))
        if reason:
            raise EngineError(reason, where=f"device {device}", fix="leave it out")

    @property
    def at_work(self) -> tuple[int, ...] | None:
        """Which call is under way; None for none."""
        note = _CALL.unpack_from(self._note)
        return note if note[1] else None

    @property
    def limit_s(self) -> float:
        limit_s: float = _NOTE.unpack_from(self._note)[3]
        return limit_s

    def record_crash(self, how: str) -> Crash | None:
        """The crash that ended the process that wrote these notes, which is added to `crashes`;
        None where nothing was being called."""
        listed, at, _ = _CALL.unpack_from(self._note)
        if not at:
            return None
        if listed:
            device, nodes = json.loads(self._list(listed).read_text())[at - 1]
            crash = Crash(device, tuple(nodes), how)
        else:
            text = self._note[_NOTE.size : _NOTE.size + at].decode(errors="replace")
            device, _, node = text.partition("\0")
            crash = Crash(device, (node,) if node else (), how, asked=True)
        known = [asdict(each) for each in (*self.crashes(), crash)]
        _write(self._known, json.dumps(known).encode())
        _NOTE.pack_into(self._note, 0, 0, 0, 0, 0.0)
        return crash

    def crashes(self) -> tuple[Crash, ...]:
        """All crashes so far."""
        if not self._known.exists():
            return ()
        return tuple(
            Crash(each["device"], tuple(each["nodes"]), each["how"], each["asked"])
            for each in json.loads(self._known.read_text())
        )

    def told(self) -> tuple[str, ...]:
        """What devices did when they were made or asked, and which are left out for what they did;
        what they did to stages is told where these are left out."""
        asked = (crash.sentence for crash in self._crashed if crash.asked)
        often = (
            f"{device} is left out: {reason}"
            for device, reason in self._out.items()
            if not any(crash.device == device and not crash.nodes for crash in self._crashed)
        )
        alone = [self.only_reference] if self.only_reference else []
        return (*alone, *asked, *often)

    @property
    def only_reference(self) -> str:
        """Why nothing but the reference device is to be used; empty where others may."""
        return self._alone.read_text("utf-8") if self._alone.exists() else ""

    def use_only_reference(self, why: str) -> None:
        _NOTE.pack_into(self._note, 0, 0, 0, 0, 0.0)
        _write(self._alone, why.encode())

    @cached_property
    def _crashed(self) -> tuple[Crash, ...]:
        return self.crashes()

    @cached_property
    def _refused(self) -> Mapping[tuple[str, tuple[str, ...], bool], str]:
        return {(each.device, each.nodes, each.asked): str(each) for each in self._crashed}

    @cached_property
    def _out(self) -> Mapping[str, str]:
        """Devices that are not used any more, and why."""
        counts = Counter(crash.device for crash in self._crashed)
        return {
            crash.device: str(crash) if not crash.nodes else f"it {crash.how}, and so {_MOST} times"
            for crash in self._crashed
            if not crash.nodes or counts[crash.device] >= _MOST
        }

    @property
    def _known(self) -> Path:
        return self._folder / "crashes.json"

    @property
    def _alone(self) -> Path:
        return self._folder / "only-reference"

    def _list(self, number: int) -> Path:
        return self._folder / f"stages-{number}.json"


def _write(path: Path, data: bytes) -> None:
    """Raises OutputError, as where the disk is full."""
    with writing(path):
        path.write_bytes(data)


class Watch:
    """Told when an engine is called for a stage, and when it has come back.

    `refused` are stages that have ended the process before: entering one raises EngineError. Where
    several threads are in calls, as in a stream, the note has the one that began first: it is the
    first to take too long, and as likely as any to end the process.
    """

    __slots__ = ("_active", "_calls", "_listed", "_lock", "_note", "_refused")

    def __init__(self, note: mmap.mmap, listed: int, refused: Mapping[int, str]) -> None:
        self._note = note
        self._listed = listed
        self._refused = refused
        self._calls = 0
        self._active: dict[int, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def enter(self, stage: int) -> None:
        if stage in self._refused:
            raise EngineError(self._refused[stage], where=f"stage {stage}", fix="leave it out")
        with self._lock:
            self._calls += 1
            self._active[threading.get_ident()] = (stage + 1, self._calls)
            if len(self._active) == 1:
                _CALL.pack_into(self._note, 0, self._listed, stage + 1, self._calls)

    def leave(self) -> None:
        with self._lock:
            self._active.pop(threading.get_ident(), None)
            first = next(iter(self._active.values()), None)
            if first is None:
                _CALL.pack_into(self._note, 0, 0, 0, 0)
            else:
                _CALL.pack_into(self._note, 0, self._listed, *first)
