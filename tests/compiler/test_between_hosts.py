"""What hosts hand to each other: less, where that is cheaper and right."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from stagecut.backends import CPU
from stagecut.compiler.among_rewrites import AmongRewrites
from stagecut.compiler.between_hosts import BetweenHosts, Rewritten
from stagecut.compiler.context import Settings
from stagecut.compiler.context_of import context_of
from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.formats.plan_file import Plan
from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.measured_machine import MeasuredLink, MeasuredMachine
from stagecut.compiler.ir.program import Program
from stagecut.compiler.measurements import Measurements
from stagecut.compiler.pipeline import compile_model
from stagecut.compiler.report.model.build import build_report
from stagecut.compiler.report.page.html import to_html
from stagecut.compiler.report.stream_wording import over_links
from stagecut.passes.expand import Expand
from stagecut.passes.partition.replicated import Replicated, Replication
from stagecut.passes.profile.synthetic import unmeasured
from stagecut.passes.rewrite.coded import Coded
from stagecut.passes.widen import Widen
from stagecut.runtime.session import Session
from tests.support.over_hosts import ClusterHere, over_hosts
from tests.support.two_hosts import WIDTH, masked_layers, slow_link

BYTES = WIDTH * WIDTH * 4


@lru_cache
def _plan(tolerance: float | None = None, objective: str = "latency") -> Plan:
    return compile_model(
        masked_layers(),
        devices=["cpu.serial"],
        machine=slow_link(),
        objective=objective,
        tolerance=tolerance,
        settings=Settings(effort="quick", warn=lambda _: None),
    )


@pytest.mark.parametrize("objective", ["latency", "throughput"])
def test_a_cheap_mask_is_made_on_both_sides(objective: str) -> None:
    planned = _plan(objective=objective).first.planned
    assert [(each.value, each.how, each.error) for each in planned.over_links] == [
        ("m", "run again", 0.0)
    ]
    sent = {step.value for step in planned.schedule.transfers}
    assert "m" not in sent
    assert planned.accuracy[0].max_abs == 0.0


def test_the_certificate_and_the_account_are_of_what_ships() -> None:
    planned = _plan().first.planned
    assert planned.certificate.exact
    assert planned.certificate.total == pytest.approx(planned.account.latency_s)


@pytest.mark.parametrize(("tolerance", "how"), [(1e-2, "int8"), (1e-3, "fp16"), (1e-6, None)])
def test_within_a_tolerance_values_are_coded_as_coarsely_as_it_lets_them(
    tolerance: float, how: str | None
) -> None:
    planned = _plan(tolerance).first.planned
    coded = {each.how for each in planned.over_links if each.how != "run again"}
    assert coded == (set() if how is None else {how})
    assert planned.accuracy[0].relative <= tolerance
    assert (planned.accuracy[0].max_abs > 0) == (how is not None)
    assert how is None or planned.account.latency_s < _plan().first.planned.account.latency_s


def test_codings_whose_error_together_is_not_known_are_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The mask and a layer's result go over the link, each coded within the tolerance alone."""

    def off_by(_: BetweenHosts, __: Program, codings: Sequence[Coded]) -> float | None:
        return 1e-3 if len(codings) == 1 else None

    monkeypatch.setattr(BetweenHosts, "_copied", lambda *_: iter(()))
    monkeypatch.setattr(BetweenHosts, "_off_by", off_by)
    plan = compile_model(
        masked_layers(),
        devices=["cpu.serial"],
        machine=slow_link(),
        tolerance=1e-2,
        settings=Settings(effort="quick", warn=lambda _: None),
    )
    assert len(plan.first.planned.over_links) == 1


def test_it_runs_so_on_hosts() -> None:
    over = over_hosts(_plan(1e-2), ClusterHere())
    random = np.random.default_rng(1)
    feeds: Feeds = {
        "y0": random.standard_normal((WIDTH, WIDTH)).astype(np.float32),
        "k": np.arange(WIDTH),
    }
    found = over.executor.outputs(feeds)["y4"]
    plain = compile_model(
        masked_layers(), devices=["cpu.serial"], settings=Settings(effort="quick")
    )
    [right] = Session(plain).run(None, feeds)
    assert 0 < np.abs(found - right).max() <= 2e-2


def test_the_report_says_so() -> None:
    stored = _plan(1e-2).first
    report = build_report(stored.planned, read_costs(stored.costs))
    said = over_links(report.over_links, report.rewrites)
    assert "m is run again there" in to_html(report)
    assert "m is run again there" in said
    assert "goes there as int8" in said


def test_a_rewritten_program_that_is_wrong_leaves_the_plan_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its dump stays, too."""
    rewritten = BetweenHosts.rewritten

    def wrong(between: BetweenHosts, tolerance: float | None) -> Rewritten | None:
        found = rewritten(between, tolerance)
        assert found is not None
        for node in found.program.model.graph:
            node.op_type = "Sigmoid" if node.op_type == "Tanh" else node.op_type
        return found

    monkeypatch.setattr(BetweenHosts, "rewritten", wrong)
    told: list[str] = []
    plan = compile_model(
        masked_layers(),
        devices=["cpu.serial"],
        machine=slow_link(),
        settings=Settings(effort="quick", warn=told.append, dump=tmp_path),
    )
    planned = plan.first.planned
    assert planned.over_links == ()
    assert "m" in {step.value for step in planned.schedule.transfers}
    [kept] = [each for each in told if each.startswith("what hosts hand to each other stays")]
    assert "no plan's outputs are those of the model" in kept
    assert "/again." not in (tmp_path / "01-graph.txt").read_text()
    assert "/again." in (tmp_path / "less-01-graph.txt").read_text()


def _not_in_time(*_: object) -> Replication:
    raise UnplaceableError("no plan was found in which nodes run on several hosts", where="machine")


def test_where_nothing_is_proved_in_time_the_plan_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Replicated, "__call__", _not_in_time)
    told: list[str] = []
    plan = compile_model(
        masked_layers(),
        devices=["cpu.serial"],
        machine=slow_link(),
        settings=Settings(effort="quick", warn=told.append),
    )
    assert plan.first.planned.over_links == ()
    assert plan.first.planned.rewrites is None
    assert [each for each in told if each.startswith("what hosts hand to each other stays")]


def test_where_the_bound_is_met_no_places_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound of streams needs no places."""
    monkeypatch.setattr(Replicated, "__call__", _not_in_time)
    monkeypatch.setattr(AmongRewrites, "is_met", lambda *_: True)
    told: list[str] = []
    compile_model(
        masked_layers(),
        devices=["cpu.serial"],
        machine=slow_link(),
        objective="throughput",
        settings=Settings(effort="quick", warn=told.append),
    )
    assert not [each for each in told if each.startswith("what hosts hand to each other stays")]


def test_where_places_are_not_found_in_time_what_is_proved_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The bound of streams comes by another way than the places of nodes that run again."""
    monkeypatch.setattr(Replicated, "__call__", _not_in_time)
    told: list[str] = []
    plan = compile_model(
        masked_layers(),
        devices=["cpu.serial"],
        machine=slow_link(),
        objective="throughput",
        settings=Settings(effort="quick", warn=told.append),
    )
    assert plan.first.planned.over_links == ()
    assert plan.first.planned.rewrites is not None
    assert not plan.first.planned.rewrites.exact
    assert [each for each in told if each.startswith("what hosts hand to each other stays")]


#: A mask, then four layers of three nodes each: this one ends the first of them.
FIRST_LAYER = "y1"


def _of_three_hosts(folder: Path, *routes: tuple[str, str]) -> Rewritten | None:
    """With the links of these `routes`: the first layer ends on b, and on the driver's host, too;
    what comes after it is on c."""
    samples = slow_link().links[0].samples
    host = slow_link().hosts[1]
    hosts = (slow_link().hosts[0], host, replace(host, name="c", address="10.0.0.3"))
    links = tuple(MeasuredLink(*route, samples) for route in routes)
    settings = Settings(effort="quick", load=lambda: None, warn=lambda _: None)
    program = load_program(masked_layers())
    [weights] = write_weights([program.model], folder)
    graph = graph_of(program)
    measurements = Measurements(context_of(["cpu.serial"], settings), program, graph, weights)
    three = MeasuredMachine(hosts, links)
    costs = Widen(three, CPU)(unmeasured(Expand(measurements.context.backends)(graph)))
    end = next(at for at, node in enumerate(graph.nodes) if node.outputs[0].name == FIRST_LAYER)
    memories = {
        node.name: ("host",) if at < end else ("b", "host") if at == end else ("c",)
        for at, node in enumerate(graph.nodes)
    }
    return BetweenHosts(three, measurements, costs, memories).rewritten(1e-2)


def test_a_value_goes_by_a_link_that_there_is(tmp_path: Path) -> None:
    """None goes from b to c."""
    found = _of_three_hosts(tmp_path, ("local", "b"), ("b", "local"), ("local", "c"))
    assert found is not None
    assert FIRST_LAYER in {each.value for each in found.told}


def test_of_a_value_that_no_link_takes_nothing_is_said(tmp_path: Path) -> None:
    found = _of_three_hosts(tmp_path, ("local", "b"), ("b", "local"))
    assert found is not None
    assert [each.value for each in found.told] == ["q0"]  # from the driver's host to b
