"""What somebody else's code was at when it took the process down is known to the next process."""

import threading
from pathlib import Path

import pytest

from stagecut.compiler.ir.device import StagedSchedule
from stagecut.compiler.ir.errors import CrashedError, EngineError, OutputError
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.measure.crash_journal import REFERENCE, Crash, CrashJournal


def _staged(text: str) -> StagedSchedule:
    return StagedSchedule(Schedule.parse(text), (), ())


FIRST = _staged("run cpu: a\ntransfer u: host > far\nrun far: b, c")
SECOND = _staged("run cpu: a, b, c")
HOW = "crashed (SIGSEGV)"


def test_a_process_that_ends_while_nothing_is_called_has_no_crash(tmp_path: Path) -> None:
    notes = CrashJournal(tmp_path)
    watch = notes.watch(FIRST)
    watch.enter(1)
    watch.leave()
    notes.ask("far", "b")
    notes.leave()
    assert notes.at_work is None
    assert notes.record_crash(HOW) is None
    assert notes.crashes() == ()


def test_a_process_that_ends_inside_a_stage_crashed_there(tmp_path: Path) -> None:
    CrashJournal(tmp_path).watch(FIRST).enter(1)
    assert CrashJournal(tmp_path).record_crash(HOW) == Crash("far", ("b", "c"), HOW)
    assert CrashJournal(tmp_path).record_crash(HOW) is None  # it is told once
    later = CrashJournal(tmp_path)
    later.watch(FIRST)
    later.watch(SECOND).enter(0)
    assert CrashJournal(tmp_path).record_crash("ended") == Crash("cpu", ("a", "b", "c"), "ended")
    assert CrashJournal(tmp_path).crashes() == (
        Crash("far", ("b", "c"), HOW),
        Crash("cpu", ("a", "b", "c"), "ended"),
    )


def test_what_crashed_is_not_called_again(tmp_path: Path) -> None:
    CrashJournal(tmp_path).watch(FIRST).enter(1)
    CrashJournal(tmp_path).record_crash(HOW)
    watch = CrashJournal(tmp_path).watch(FIRST)
    watch.enter(0)
    with pytest.raises(EngineError, match=r"it crashed \(SIGSEGV\)"):
        watch.enter(1)
    CrashJournal(tmp_path).watch(SECOND).enter(0)


def test_what_a_device_was_asked_when_it_crashed(tmp_path: Path) -> None:
    CrashJournal(tmp_path).ask("far", "b")
    crash = CrashJournal(tmp_path).record_crash(HOW)
    assert crash == Crash("far", ("b",), HOW, asked=True)
    assert crash.sentence == "far crashed (SIGSEGV) when it was asked about b"
    later = CrashJournal(tmp_path)
    later.ask("far")
    later.ask("far", "c")
    with pytest.raises(EngineError, match=r"it crashed \(SIGSEGV\)"):
        later.ask("far", "b")
    later.watch(_staged("run far: b")).enter(0)  # running it is another question
    assert later.told() == (crash.sentence,)


def test_a_device_that_crashes_when_it_is_made_is_not_made_again(tmp_path: Path) -> None:
    CrashJournal(tmp_path).ask("far")
    crash = CrashJournal(tmp_path).record_crash(HOW)
    assert crash is not None
    assert crash.sentence == "far crashed (SIGSEGV) when it was made"
    later = CrashJournal(tmp_path)
    later.ask("cpu")
    with pytest.raises(CrashedError) as error:
        later.ask("far")
    assert error.value.where == "device far"
    assert later.told() == (crash.sentence,)


def test_nor_is_one_that_crashes_again_and_again(tmp_path: Path) -> None:
    for node in "abc":
        CrashJournal(tmp_path).watch(_staged(f"run far: {node}")).enter(0)
        CrashJournal(tmp_path).record_crash(HOW)
    later = CrashJournal(tmp_path)
    for question in ("", "d"):
        with pytest.raises(EngineError if question else CrashedError, match="so 3 times"):
            later.ask("far", question)
    with pytest.raises(EngineError):
        later.watch(FIRST).enter(1)
    assert later.told() == ("far is left out: it crashed (SIGSEGV), and so 3 times",)


def test_each_call_is_another_one_and_has_a_limit(tmp_path: Path) -> None:
    child, parent = CrashJournal(tmp_path, 2.5), CrashJournal(tmp_path)
    assert parent.limit_s == 2.5
    watch = child.watch(FIRST)
    seen = []
    for _ in range(2):
        watch.enter(0)
        seen.append(parent.at_work)
        watch.leave()
        child.ask("far", "b")
        seen.append(parent.at_work)
        child.leave()
    assert len(set(seen)) == 4
    assert parent.at_work is None


def test_the_reference_alone_may_take_as_long_as_it_likes(tmp_path: Path) -> None:
    CrashJournal(tmp_path).use_only_reference("no other is left")
    assert CrashJournal(tmp_path, 2.5).limit_s == 0.0
    later = CrashJournal(tmp_path)
    assert later.told() == ("no other is left",)
    later.ask(REFERENCE)
    later.ask(REFERENCE, "a")
    with pytest.raises(CrashedError, match="no other is left"):
        later.ask("far")


def test_of_several_threads_the_one_that_began_first_is_noted(tmp_path: Path) -> None:
    """As in a stream: what one of them leaves does not hide that another is still inside."""
    notes = CrashJournal(tmp_path)
    watch = notes.watch(FIRST)
    inside, leave = threading.Event(), threading.Event()

    def call() -> None:
        watch.enter(1)
        inside.set()
        leave.wait()
        watch.leave()

    thread = threading.Thread(target=call)
    thread.start()
    inside.wait()
    first = notes.at_work
    watch.enter(0)
    assert notes.at_work == first
    watch.leave()
    assert notes.at_work == first
    assert CrashJournal(tmp_path).record_crash(HOW) == Crash("far", ("b", "c"), HOW)
    leave.set()
    thread.join()
    assert notes.at_work is None


def test_who_is_left_is_noted_when_the_first_one_leaves(tmp_path: Path) -> None:
    notes = CrashJournal(tmp_path)
    watch = notes.watch(FIRST)
    watch.enter(0)
    thread = threading.Thread(target=watch.enter, args=(1,))
    thread.start()
    thread.join()
    watch.leave()
    assert CrashJournal(tmp_path).record_crash(HOW) == Crash("far", ("b", "c"), HOW)


def test_notes_that_cannot_be_written_are_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        CrashJournal(tmp_path / "no such folder")
