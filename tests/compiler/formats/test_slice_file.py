"""A slice of a plan: its own stages and weights only, and nothing that is not whole."""

from pathlib import Path

import numpy as np
import pytest

from stagecut import backends
from stagecut.compiler.formats.slice_file import read_slice, write_slice
from stagecut.compiler.formats.weights import FILE_NAME
from stagecut.compiler.ir.device import StagedSchedule
from stagecut.compiler.ir.errors import PlanError
from stagecut.compiler.ir.schedule import Run, Schedule, Stage
from stagecut.runtime.hosts.groups import HostGroup, groups_of
from stagecut.runtime.hosts.over_hosts import hosts_of
from tests.support.nodes import sample
from tests.support.over_hosts import LAYER_BYTES, plan_over_hosts


def _group() -> HostGroup:
    stored = plan_over_hosts().first
    host_of = hosts_of(stored.planned.machine)
    return next(each for each in groups_of(stored.staged(), ["y6"], host_of) if not each.is_here)


def _written(path: Path) -> HostGroup:
    group = _group()
    write_slice(path, group.staged, {"b.cpu.serial": "cpu.serial"}, group.reads, group.writes)
    return group


def test_a_slice_holds_its_stages_with_their_weights_and_no_others(tmp_path: Path) -> None:
    group = _written(tmp_path / "a.slice")
    found = read_slice(tmp_path / "a.slice")
    assert found.staged.schedule == group.staged.schedule
    assert (found.inputs, found.outputs) == (group.reads, group.writes)
    assert found.devices == {"b.cpu.serial": "cpu.serial"}
    nodes = sum(len(stage.nodes) for stage in group.staged.schedule.stages)
    assert found.archive.size(FILE_NAME) == nodes * LAYER_BYTES


def test_same_slice_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        _written(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_slice_holds_weights_in_few_bits_so(tmp_path: Path) -> None:
    weight = np.random.default_rng(0).standard_normal((64, 96)).astype(np.float32)
    case = sample("(float[3, 64] x) => (float[3, 96] y) { y = MatMul(x, w) }", w=weight)
    device = backends.create("cpu.int4.serial")
    program = backends.stored(device, case.stage)
    schedule = Schedule((Stage("b.cpu.int4.serial", ("n",)),), (Run(0),))
    staged = StagedSchedule(schedule, (program,), (None,))
    names = {"b.cpu.int4.serial": "cpu.int4.serial"}
    write_slice(tmp_path / "a.slice", staged, names, ("x",), ("y",))
    found = read_slice(tmp_path / "a.slice")
    assert found.archive.size(FILE_NAME) < weight.nbytes / 4
    feeds = case.feeds()
    [read] = found.staged.programs
    np.testing.assert_array_equal(
        device.prepare(read)(feeds)[0], device.prepare(case.stage)(feeds)[0]
    )


@pytest.mark.parametrize("part", [0.1, 0.5, 0.95])
def test_a_damaged_slice_is_refused(tmp_path: Path, part: float) -> None:
    path = tmp_path / "a.slice"
    _written(path)
    data = bytearray(path.read_bytes())
    data[int(part * len(data))] ^= 1
    path.write_bytes(data)
    with pytest.raises(PlanError):
        read_slice(path)


def test_a_plan_is_no_slice(tmp_path: Path) -> None:
    plan_over_hosts().save(tmp_path / "a.plan")
    with pytest.raises(PlanError):
        read_slice(tmp_path / "a.plan")
