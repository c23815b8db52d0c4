"""Plans on held-out samples: measured once, and told whether they may ship or not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stagecut import backends
from stagecut.compiler.context import CompileContext, Settings
from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.metric import Metric
from stagecut.compiler.ir.objective import LATENCY
from stagecut.compiler.kept_errors import node_errors, plan_check
from stagecut.compiler.measurements import Measurements
from stagecut.passes.expand import Expand
from stagecut.passes.gate.contenders import Proposal, on_one_device
from stagecut.passes.profile.synthetic import synthetic_costs
from tests.support.products import products

INT4 = "cpu.int4.serial"


def _measured(folder: Path, metric: Metric | None = None) -> tuple[Measurements, Proposal]:
    """With all of the products on the device of fewest bits."""
    engines = backends.create_all(["cpu.serial", INT4])
    settings = Settings(effort="quick", cache=folder / "cache")
    context = CompileContext(engines, {name: name for name in engines}, settings, None, ())
    program = replace(load_program(products()), metric=metric)
    [weights] = write_weights([program.model], folder)
    measurements = Measurements(context, program, graph_of(program), weights)
    expanded = Expand(engines)(measurements.graph)
    costs = synthetic_costs(expanded, lambda devices: devices[-1])
    [proposal] = on_one_device(costs, INT4, LATENCY)
    return measurements, proposal


def test_one_that_may_not_ship_is_measured_all_the_same(tmp_path: Path) -> None:
    measurements, proposal = _measured(tmp_path)
    checked = plan_check(measurements, proposal, 0.5)
    found = checked.held
    assert found is not None
    assert 0.1 < found.rms < 0.5
    assert checked.off(None) == found.rms
    tight = plan_check(measurements, proposal, 0.01)
    assert tight.held == found
    off = tight.off(None)
    assert off is not None
    assert off >= found.rms  # on the samples, an output may be off by more than all are


def test_it_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measurements, proposal = _measured(tmp_path)
    first = plan_check(measurements, proposal, 0.5)
    monkeypatch.setattr("stagecut.compiler.answers.Answers.checked", None)
    assert plan_check(measurements, proposal, 0.5) == first


def test_errors_are_kept_for_the_samples_of_the_metric(tmp_path: Path) -> None:
    """Which are the ones held out: those of another one are measured anew."""
    feeds = _measured(tmp_path)[0].program.feeds
    halved = {name: np.asarray(array / 2, array.dtype) for name, array in feeds.items()}

    def held_out(*samples: Feeds) -> int:
        metric = Metric("mine", lambda _outputs, _data: 1.0, {}, samples)
        measurements, proposal = _measured(tmp_path, metric)
        devices = {node: {"int4": INT4} for node in proposal.schedule.device_of}
        found = node_errors(measurements, devices)
        assert found is not None
        return found.held_out

    assert [held_out(feeds), held_out(feeds, halved)] == [1, 2]
    assert len([*(tmp_path / "cache").glob("errors-*")]) == 2
    held_out(halved)
    held_out(feeds)
    assert len([*(tmp_path / "cache").glob("errors-*")]) == 3
