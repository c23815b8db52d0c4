"""What hangs on the arrows: dumps, numbered in order, and phases, which do not lose time."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from stagecut.compiler.arrows import Dump, Once, Phases
from stagecut.compiler.ir.errors import OutputError


def test_every_step_is_a_file_in_order(tmp_path: Path) -> None:
    dump = Dump(tmp_path / "new", "1-")
    dump("graph", "some\ntext")
    dump("costs", '{"a": 1}\n\n', "json")
    files = {path.name: path.read_text() for path in (tmp_path / "new").iterdir()}
    assert files == {"1-01-graph.txt": "some\ntext\n", "1-02-costs.json": '{"a": 1}\n'}


def test_nothing_is_written_where_nothing_is_asked_for() -> None:
    dump = Dump(None)
    dump("graph", object())


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written") as error:
        Dump(tmp_path / "file")("graph", "text")
    assert "01-graph.txt" in error.value.where
    assert "--dump" in error.value.fix


def test_phases_add_up_in_the_order_in_which_they_began() -> None:
    clock = count()
    phases = Phases(lambda: float(next(clock)))
    for name in ("plan", "gate", "plan"):
        with phases(name):
            next(clock)
    assert [*phases.seconds.items()] == [("plan", 4.0), ("gate", 2.0)]


def test_somebody_learns_of_each_phase_as_long_as_it_lasts() -> None:
    told: list[str] = []

    @contextmanager
    def phase(name: str) -> Iterator[None]:
        told.append(name)
        yield
        told.append("over")

    with Phases(lambda: 0.0, phase)("plan"):
        assert told == ["plan"]
    assert told == ["plan", "over"]


def test_a_phase_that_fails_is_counted() -> None:
    clock = count()
    phases = Phases(lambda: float(next(clock)))
    with pytest.raises(ValueError, match="no"), phases("plan"):
        raise ValueError("no")
    assert phases.seconds == {"plan": 1.0}


def test_a_warning_is_given_once() -> None:
    said: list[str] = []
    once = Once(said.append)
    for warning in ("the cache is full", "the gate is noisy", "the cache is full"):
        once(warning)
    assert said == ["the cache is full", "the gate is noisy"]
