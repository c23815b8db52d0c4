"""What an engine was at when it took the process down is known to the next process."""

from pathlib import Path

from stagecut.compiler.ir.device import StagedSchedule
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.measure.crash_journal import Crash, CrashJournal


def _staged(text: str) -> StagedSchedule:
    return StagedSchedule(Schedule.parse(text), (), ())


FIRST = _staged("run cpu: a\ntransfer u: host > far\nrun far: b, c")
SECOND = _staged("run cpu: a, b, c")


def test_a_process_that_ends_while_no_engine_is_at_work_has_no_crash(tmp_path: Path) -> None:
    notes = CrashJournal(tmp_path)
    watch = notes.watch(FIRST)
    watch.enter(1)
    watch.leave()
    assert notes.record_crash() is None
    assert notes.crashes() == ()


def test_a_process_that_ends_inside_a_stage_crashed_there(tmp_path: Path) -> None:
    CrashJournal(tmp_path).watch(FIRST).enter(1)
    assert CrashJournal(tmp_path).record_crash() == Crash("far", ("b", "c"))
    assert CrashJournal(tmp_path).record_crash() is None  # it is told once
    later = CrashJournal(tmp_path)
    later.watch(FIRST)
    later.watch(SECOND).enter(0)
    assert CrashJournal(tmp_path).record_crash() == Crash("cpu", ("a", "b", "c"))
    assert CrashJournal(tmp_path).crashes() == (
        Crash("far", ("b", "c")),
        Crash("cpu", ("a", "b", "c")),
    )
