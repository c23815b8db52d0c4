"""`partition --objective throughput --check` of streams over hosts: files, and plans."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stagecut.compiler.formats.costs_json import write_costs
from tests.support.command_line import Said
from tests.support.host_tables import chain, machine
from tests.support.over_hosts import plan_over_hosts
from tests.support.pipes import pipe
from tests.support.resealed import resealed

STREAMS = ("--objective", "throughput")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "costs.json"
    path.write_text(write_costs(chain(machine(2), 10e-3, 10e-3)))
    return path


@pytest.fixture
def check(run: Callable[..., Said], table: Path) -> Callable[..., Said]:
    """A stream of these costs, made with `more`, and changed by `change`."""

    def checked(*more: str, change: Callable[[Any], object] = lambda _: None) -> Said:
        path = table.parent / "stream.json"
        assert run("partition", table, *STREAMS, *more, "--json", "-o", path).code == 0
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))
        return run("partition", table, *STREAMS, "--check", path)

    return checked


def test_what_was_solved_is_accepted(check: Callable[..., Said]) -> None:
    said = check()
    assert said.code == 0
    assert said.out == (
        "certificate accepted: nothing within 'schedules with contiguous stages' has a period "
        "below 5.00 ms; the stream has it\n"
    )


def test_within_limits(check: Callable[..., Said]) -> None:
    said = check("--max-latency", "20.05ms")
    assert "and 20.1 ms of latency has a period below 10.0 ms" in said.out
    assert "and 10 B of memory has a period below 10.0 ms" in check("--max-memory", "10B").out


def _bound_raised(document: Any) -> None:
    document["certificate"]["lower_bound"] *= 1.1


def _bound_raised_where_there_is_a_gap(document: Any) -> None:
    """Of a stream that is not the best: the bound is not its period, and no bound either."""
    document["stages"][0]["places"] = document["stages"][0]["places"][:1]
    document["certificate"]["lower_bound"] = 6e-3
    for name in ("gap", "exact", "claim", "total"):
        document["certificate"].pop(name, None)
    document["certificate"]["total"] = 10e-3
    for name in ("period_s", "latency_s", "loads"):
        document.pop(name)
    for name in ("period_s", "busy"):
        document["stages"][0].pop(name)


def _limit_left_out(document: Any) -> None:
    document["certificate"]["limits"] = []


WRONG = {
    "a bound that is none": (_bound_raised_where_there_is_a_gap, (), "stages with a period below"),
    "a bound above the stream's own": (_bound_raised, (), "stages with a period below 5.50 ms"),
    "of streams within a limit, as of all": (
        _limit_left_out, ("--max-latency", "20.05ms"), "certificate.claim is",
    ),
    "another period": (lambda of: of.update(period_s=4e-3), (), "period_s is 0.004, and comes to"),
    "a claim": (
        lambda of: of["certificate"].update(claim="optimal: whatever"), (), "certificate.claim is",
    ),
    "more replicas than there are cores for": (
        lambda of: of["stages"][0]["places"][0].update(replicas=9), (), "9 replicas are more",
    ),
    "a device that is none": (
        lambda of: of["stages"][0]["places"][1].update(device="gpu"), (), "gpu",
    ),
    "a node that is none": (lambda of: of["stages"][0].update(nodes=["z"]), (), "no node 'z'"),
    "a node that is left out": (lambda of: of["stages"][0].update(nodes=["a"]), (), "b"),
    "no places": (lambda of: of["stages"][0].update(places=[]), (), "stages.0.places"),
    "a scope that is none": (
        lambda of: of["certificate"].update(scope="all"), (), "certificate.scope",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "more", "says"), WRONG.values(), ids=WRONG.keys())
def test_what_does_not_hold_is_refused(
    check: Callable[..., Said],
    change: Callable[[Any], object],
    more: tuple[str, ...],
    says: str,
) -> None:
    said = check(*more, change=change)
    assert said.code == 1, said.out
    assert says in said.err


def test_a_stream_out_of_a_pipe(run: Callable[..., Said], table: Path, tmp_path: Path) -> None:
    path = tmp_path / "stream.json"
    assert run("partition", table, *STREAMS, "-o", path).code == 0
    said = run("partition", table, *STREAMS, "--check", pipe(path.read_text()))
    assert said.code == 0, said.err


def test_a_file_that_is_none(run: Callable[..., Said], table: Path, tmp_path: Path) -> None:
    said = run("partition", table, *STREAMS, "--check", table)
    assert said.code == 1
    assert "holds no stream over hosts" in said.err
    assert "cannot be read" in run("partition", table, *STREAMS, "--check", tmp_path / "none").err


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "over.plan"
    plan_over_hosts("throughput").save(path)
    return path


def test_a_plan_is_checked_by_its_own_costs(run: Callable[..., Said], plan: Path) -> None:
    said = run("partition", plan, *STREAMS, "--check", plan, "--json")
    assert said.code == 0, said.err
    document = json.loads(said.out)
    stream = plan_over_hosts("throughput").first.planned.stream
    assert stream is not None
    assert document["accepted"] is True
    assert document["schema"] == "stagecut.hosts_stream/1"
    assert document["period_s"] == stream.period_s


def _raised(variant: Any) -> None:
    for name in ("total", "lower_bound"):
        variant["certificate"][name] *= 1.5


def _claimed(variant: Any) -> None:
    variant["certificate"]["statement"] = "optimal: whatever you like"


def _quickened(variant: Any) -> None:
    variant["stream"]["period_s"] /= 2


@pytest.mark.parametrize("change", [_raised, _claimed, _quickened])
def test_what_a_plan_says_otherwise_is_refused(
    run: Callable[..., Said], change: Callable[[Any], None], plan: Path, tmp_path: Path
) -> None:
    archive = plan_over_hosts("throughput").archive
    path = tmp_path / "changed.plan"
    resealed(path, archive, {}, lambda of: change(of["entries"]["main"]["variants"][0]))
    said = run("partition", path, *STREAMS, "--check", path)
    assert said.code == 1


def test_a_plan_that_was_made_for_single_runs(run: Callable[..., Said], tmp_path: Path) -> None:
    path = tmp_path / "single.plan"
    plan_over_hosts().save(path)
    said = run("partition", path, *STREAMS, "--check", path)
    assert said.code == 1
    assert "was not made for streams" in said.err
