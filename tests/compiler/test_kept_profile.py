"""What parts take is kept from one compile to the next, as long as nothing that matters changes."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from stagecut import backends
from stagecut.compiler.ir.provenance import ProfilePath
from stagecut.compiler.kept_profile import _of_real, profile_of
from stagecut.compiler.measure.crash_journal import Crash
from stagecut.compiler.measurements import Measurements
from stagecut.passes.expand import Expand
from stagecut.passes.profile.profile import Fault


def test_a_profile_is_kept(
    measure: Callable[..., Measurements], tmp_path: Path, runs: Counter[str]
) -> None:
    first = measure(cache=tmp_path / "cache")
    expanded = Expand(first.context.backends)(first.graph)
    profiled = profile_of(first, expanded)
    assert profiled.circumstances is not None
    assert runs["made"] == 2  # the start of a stage, and a path
    runs.clear()
    assert profile_of(measure(cache=tmp_path / "cache"), expanded) == profiled
    assert not runs
    profile_of(measure(cache=tmp_path / "other"), expanded)
    assert runs["made"] == 2  # the start of a stage, and a path


def test_another_modelled_device_measures_nothing_again(
    measure: Callable[..., Measurements], tmp_path: Path, runs: Counter[str]
) -> None:
    first = measure(cache=tmp_path / "cache", warn=lambda _: None)
    before = profile_of(first, Expand(first.context.backends)(first.graph))
    runs.clear()
    specs = ("cpu.serial", "null:memory=pim,run_s=7e-3")
    engines = backends.create_all(specs)
    context = replace(first.context, backends=engines, specs=dict(zip(engines, specs, strict=True)))
    after = profile_of(replace(first, context=context), Expand(engines)(first.graph))
    assert not runs
    assert after.circumstances == before.circumstances
    assert {node.run_s["null"] for node in after.costs.nodes} == {7e-3}
    for old, new in zip(before.costs.nodes, after.costs.nodes, strict=True):
        assert old.run_s["cpu.serial"] == new.run_s["cpu.serial"]
        assert old.run_spread == new.run_spread
    assert profile_of(replace(first, context=context), Expand(engines)(first.graph)) == after


def test_faults_and_paths_of_modelled_devices_are_not_those_of_others(
    measure: Callable[..., Measurements],
) -> None:
    measured = measure()
    profiled = profile_of(measured, Expand(measured.context.backends)(measured.graph))
    faults = tuple(Fault("Relu", name, "because") for name in ("null", "cpu.serial"))
    paths = (
        ProfilePath("both", "a reason", 3, {"cpu.serial": 4, "null": 1}),
        ProfilePath("modelled", "a reason", 3, {"null": 5}),
    )
    found = _of_real(replace(profiled, faults=faults, paths=paths))
    assert found.faults == faults[1:]
    assert found.paths == (ProfilePath("both", "a reason", 3, {"cpu.serial": 4}),)


def test_a_measured_device_of_other_options_is_measured(
    measure: Callable[..., Measurements], tmp_path: Path, runs: Counter[str]
) -> None:
    first = measure(cache=tmp_path / "cache", warn=lambda _: None)
    profile_of(first, Expand(first.context.backends)(first.graph))
    runs.clear()
    specs = ("cpu.serial:watts_per_thread=9", "null:memory=pim")
    engines = backends.create_all(specs)
    context = replace(first.context, backends=engines, specs=dict(zip(engines, specs, strict=True)))
    profile_of(replace(first, context=context), Expand(engines)(first.graph))
    assert runs["made"]


def test_other_cpus_are_measured(
    measure: Callable[..., Measurements],
    tmp_path: Path,
    runs: Counter[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As many, but others: some machines have fast ones and slow ones."""
    allowed = {0}
    monkeypatch.setattr("os.sched_getaffinity", lambda _: allowed)
    first = measure(cache=tmp_path / "cache")
    expanded = Expand(first.context.backends)(first.graph)
    profile_of(first, expanded)
    runs.clear()
    allowed = {1}
    profile_of(measure(cache=tmp_path / "cache"), expanded)
    assert runs["made"]


def test_more_effort_measures_again(
    measure: Callable[..., Measurements], tmp_path: Path, runs: Counter[str]
) -> None:
    first = measure(cache=tmp_path / "cache")
    expanded = Expand(first.context.backends)(first.graph)
    profile_of(first, expanded)
    runs.clear()
    settings = replace(first.context.settings, effort="normal")
    profile_of(replace(first, context=replace(first.context, settings=settings)), expanded)
    assert runs["made"] == 2  # the start of a stage, and a path


def test_a_node_that_has_crashed_has_no_cost_there(measure: Callable[..., Measurements]) -> None:
    measured = measure(crashes=(Crash("null", ("MatMul",), "crashed (SIGSEGV)"),))
    profiled = profile_of(measured, Expand(measured.context.backends)(measured.graph))
    assert "null" not in profiled.costs.node_named["MatMul"].run_s
    assert "null" in profiled.costs.node_named["Relu"].run_s
    [fault] = profiled.faults
    assert (fault.node, fault.device) == ("MatMul", "null")
