"""What a long search tells, and what Ctrl-C does to it."""

import json
import signal
from collections.abc import Iterator
from math import inf
from pathlib import Path

import pytest

from stagecut.compiler.cli.searching import INTERRUPTED, Searching, watching
from stagecut.compiler.formats.costs_json import write_costs
from stagecut.compiler.ir.objective import LATENCY
from stagecut.compiler.ir.standing import Standing
from stagecut.passes.partition.milp import highs
from stagecut.passes.partition.search import Search
from tests.support.command_line import stagecut
from tests.support.synthetic_tables import transformer


@pytest.fixture(autouse=True)
def _ctrl_c_is_heard() -> Iterator[None]:
    """It is not where the tests run in a shell's background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


FOUND = Standing(2.2, 2.0, 52.2)


def test_it_tells_now_and_then_how_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    now_s = 0.0
    searching = Searching(LATENCY, lambda: now_s)
    assert searching(Standing(inf, 0.0, 59.9))
    now_s = 5.0
    assert searching(Standing(inf, 0.0, 55.2))
    assert searching(Standing(3.0, 1.0, 55.0))
    now_s = 10.0
    assert searching(FOUND)
    assert capsys.readouterr().err == (
        "searching: nothing found yet; 55 s left\n"
        "searching: the best so far is 2.20 s, and no schedule costs less than 2.00 s; 52 s left\n"
    )


def test_short_searches_one_after_the_other_tell_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    times_s = iter((0.0, 10.0, 10.0, 12.0, 20.0, 20.0, 22.0))
    searching = Searching(LATENCY, lambda: next(times_s))
    for _ in range(2):
        assert searching(Standing(3.0, 1.0, 59.9))
        assert searching(Standing(3.0, 1.0, 57.9))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("objective", ["latency", "throughput", "generate:prompt=8,new=4"])
def test_compiles_tell_latencies(objective: str) -> None:
    assert watching(objective)._text(0.001) == "1.00 ms"


def test_ctrl_c_ends_it_with_what_it_has(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with Searching(LATENCY) as searching:
        assert searching(FOUND)
        signal.raise_signal(signal.SIGINT)
        assert not searching(FOUND)
        assert signal.getsignal(signal.SIGINT) == before  # the second one ends it all
    assert searching.is_stopped
    assert "the best answer so far follows" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.parametrize("told", [[], [Standing(inf, 0.0, 60.0)]])
def test_ctrl_c_ends_all_where_there_is_nothing_yet(told: list[Standing]) -> None:
    searching = Searching(LATENCY)
    for standing in told:
        searching(standing)
    with pytest.raises(KeyboardInterrupt), searching:
        signal.raise_signal(signal.SIGINT)
    assert not searching.is_stopped


def test_the_command_prints_the_best_answer_and_ends_as_interrupted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Ctrl-C when the search tells for the first time that it has something."""
    table = transformer(200)
    costs, best = tmp_path / "costs.json", tmp_path / "best.json"
    costs.write_text(write_costs(table))
    goes_on = Search._goes_on

    def interrupted(search: Search, bound: float, end_s: float) -> bool:
        first = goes_on(search, bound, end_s)
        if first and search.incumbent.schedule is not None:
            signal.raise_signal(signal.SIGINT)
        return first

    monkeypatch.setattr(Search, "_goes_on", interrupted)
    monkeypatch.setattr(highs, "_TOLD_EVERY_S", 0.0)  # HiGHS may be done in a tenth of a second
    said = stagecut(
        capsys, monkeypatch, "partition", costs, "--method", "milp", "-o", best, "--json"
    )
    assert said.code == INTERRUPTED, said.err
    document = json.loads(said.out)
    assert document["certificate"]["lower_bound"] <= document["certificate"]["total"]
    assert json.loads(best.read_text()) == document["assignment"]
    assert [*document["assignment"]] == [node.name for node in table.nodes]
