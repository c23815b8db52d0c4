"""Children that end in any way, or do not: each is told, and the next one goes on without it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stagecut.compiler.ir.device import StagedSchedule
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.ir.stop import Stopped
from stagecut.compiler.measure.crash_journal import REFERENCE, CrashJournal
from stagecut.compiler.measure.supervisor import (
    PRINTED_NOTE,
    SCRATCH_NOTE,
    end_process,
    how_it_ended,
    spawned,
    supervise,
)

STAGES = StagedSchedule(Schedule.parse("run far: a\nrun far: b, c"), (), ())

#: Programs that are given their end of the connection: how they end, and what is said of it.
DONE = "import os, sys; os.write(int(sys.argv[1]), bytes([7])); os._exit(9)"
ENDS = {
    "import os; os._exit(0)": "exited with status 0",
    "import os; os._exit(5)": "exited with status 5",
    "import os; os.abort()": "crashed (SIGABRT)",
    "import os; os.kill(os.getpid(), 9)": "was killed (SIGKILL)",
    "import os; os.kill(os.getpid(), 40)": "crashed (signal 40)",
    "import time; time.sleep(1000)": "did not come back within 0.1 s",
    "import os, sys, time; os.close(int(sys.argv[1])); time.sleep(1000)": "did not come back",
}


class Children:
    """Starts these programs one after the other, and then one that is done. `calls` is what each
    has noted that it calls."""

    def __init__(self, folder: Path, *programs: str, calls: Callable[[CrashJournal], None]) -> None:
        self._folder = folder
        self._programs = [*programs]
        self._calls = calls
        self.started = 0

    def __call__(self, theirs: object) -> int:
        self.started += 1
        journal, program = CrashJournal(self._folder, 0.1), DONE
        if self._programs:
            self._calls(journal)
            program = self._programs.pop(0)
        command = [sys.executable, "-S", "-c", program]
        return spawned(command, theirs)  # type: ignore[arg-type]


def _runs_stage(journal: CrashJournal) -> None:
    journal.watch(STAGES).enter(1)


def _asks(journal: CrashJournal) -> None:
    alone = journal.only_reference
    journal.ask(REFERENCE if alone else f"far{len(journal.crashes())}", "a")


@pytest.mark.parametrize(("program", "how"), ENDS.items(), ids=ENDS.values())
def test_any_end_is_a_crash_of_what_was_called(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], program: str, how: str
) -> None:
    assert supervise(tmp_path, Children(tmp_path, program, calls=_runs_stage)) == 7
    said = capsys.readouterr().err
    assert said.startswith(f"far {how}")
    assert said.endswith("on a stage of 2 nodes: going on without it there\n")


def test_questions_are_told_as_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = "import os; os.abort()"
    assert supervise(tmp_path, Children(tmp_path, program, calls=_asks)) == 7
    assert "far0 crashed (SIGABRT) when it was asked about a: going on" in capsys.readouterr().err


def test_a_child_that_is_done_is_believed_however_it_ends(tmp_path: Path) -> None:
    dies = DONE.replace("os._exit(9)", "os.abort()")
    stays = DONE.replace("os._exit(9)", "import time; time.sleep(1000)")
    for program in (dies, stays):
        children = Children(tmp_path, program, calls=_runs_stage)
        assert supervise(tmp_path, children) == 7
        assert children.started == 1


@pytest.mark.parametrize("blamed", [False, True])
def test_then_the_reference_is_used_alone_and_that_is_the_last_attempt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], blamed: bool
) -> None:
    """After a crash that nobody is to blame for, and after eight."""
    calls = _asks if blamed else lambda journal: None
    programs = ["import os; os.abort()"] * 20
    children = Children(tmp_path, *programs, calls=calls)
    with pytest.raises(EngineError, match="with the reference device alone"):
        supervise(tmp_path, children)
    assert children.started == (9 if blamed else 2)
    said = capsys.readouterr().err
    assert "crashed (SIGABRT)" in said
    assert said.endswith("going on with the reference device alone\n")
    assert CrashJournal(tmp_path).only_reference.startswith("only the reference device is used: ")


def test_what_nothing_can_stand_in_for_is_not_repeated(tmp_path: Path) -> None:
    """Where nobody is to blame, and where results would be printed again."""
    abort = "import os; os.abort()"
    children = Children(tmp_path, abort, calls=lambda journal: None)
    with pytest.raises(EngineError, match=r"the process crashed \(SIGABRT\)"):
        supervise(tmp_path, children, alone=False)
    assert children.started == 1
    children = Children(tmp_path, abort, calls=_asks)
    assert supervise(tmp_path, children, alone=False) == 7
    (tmp_path / PRINTED_NOTE).touch()
    children = Children(tmp_path, abort, calls=_asks)
    with pytest.raises(EngineError, match=r"crashed \(SIGABRT\) when it was asked about a"):
        supervise(tmp_path, children, alone=False)
    assert children.started == 1


def test_what_a_child_leaves_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "left"
    left.mkdir()
    (tmp_path / SCRATCH_NOTE).write_text(str(left))
    supervise(tmp_path, Children(tmp_path, calls=_asks))
    assert not left.exists()


def test_who_interrupts_the_parent_ends_the_child(tmp_path: Path) -> None:
    """Even one that does not stop when it is asked to."""
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(1000)"
    pids: list[int] = []

    def start(theirs: object) -> int:
        pids.append(Children(tmp_path, deaf, calls=lambda journal: None)(theirs))
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        return pids[0]

    def ring(number: int, frame: object) -> None:
        raise Stopped(number)

    before = signal.signal(signal.SIGALRM, ring)
    try:
        with pytest.raises(Stopped):
            supervise(tmp_path, start)
    finally:
        signal.signal(signal.SIGALRM, before)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


#: A parent whose child spins in native code, with Python's lock held, after it has told its number.
_PARENT = """
import os, sys, ctypes
from pathlib import Path
from stagecut.compiler.measure.supervisor import survive_crashes

def body(notes):
    print(os.getpid(), flush=True)
    {does}

sys.exit(survive_crashes(body))
"""


def _parent(does: str) -> "subprocess.Popen[str]":
    code = _PARENT.format(does=does)
    command = [sys.executable, "-c", code]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _told(process: "subprocess.Popen[str]") -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def test_a_child_dies_with_its_parent() -> None:
    process = _parent("ctypes.PyDLL(None).sleep(1000)")
    child = _told(process)
    process.kill()
    process.communicate(timeout=60)
    assert _goes(child)


def _goes(child: int) -> bool:
    """Whether the process ends; nobody waits for it any more, so that it may stay a zombie."""
    for _ in range(600):
        try:
            state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False


def test_a_body_that_is_done_ends_both() -> None:
    process = _parent("return 3")
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (3, "")


def test_a_bug_of_ours_is_a_crash_and_is_shown() -> None:
    process = _parent("raise AssertionError('impossible')")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "AssertionError: impossible" in said
    assert "the process exited with status 1: going on with the reference" in said


def test_ctrl_c_is_left_to_the_parent() -> None:
    process = _parent("os.kill(os.getpid(), 2); return 3")
    process.communicate(timeout=60)
    assert process.returncode == 3


def test_a_child_that_is_asked_to_stop_is_no_child_that_is_done(tmp_path: Path) -> None:
    does = "from stagecut.compiler.ir.stop import stop; stop(15, None)"
    process = _parent(does)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "exited with status 143" in said
    assert "Stopped" not in said


def test_one_that_is_ended_leaves_ctrl_c_to_its_parent_and_tells_how_it_ended() -> None:
    ours, theirs = socket.socketpair()
    program = "import os, sys, time; os.write(int(sys.argv[1]), b'r'); time.sleep(600)"
    with ours, theirs:
        child = spawned([sys.executable, "-S", "-c", program], theirs)
        assert ours.recv(1) == b"r"
        os.kill(child, signal.SIGINT)
        status = end_process(child)
    assert status is not None
    assert how_it_ended(status) == "crashed (SIGTERM)"
    assert end_process(child) == 0  # somebody was told already
