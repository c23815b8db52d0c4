"""A session goes on with the plan that it opened, at every shape, or says that its file is lost."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from stagecut.compiler import Plan, compile_model
from stagecut.compiler.ir.errors import PlanError
from stagecut.passes.profile.synthetic import unmeasured
from stagecut.runtime import Session

FEEDS = {"x": np.ones((4, 64), np.float32)}

#: Columns of a weight of 64 rows: a plan file of 16 KiB is copied when it is opened, one of 4.4 MB
#: is not.
SMALL, LARGE = 64, 17_000


def _scaled(factor: float, width: int = SMALL) -> onnx.ModelProto:
    """y = relu(x @ w), where w is `factor` times the identity, with noughts up to this width."""
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("Relu", ["a"], ["y"])],
        "scaled",
        [tensor("x", TensorProto.FLOAT, ["N", 64])],
        [tensor("y", TensorProto.FLOAT, ["N", width])],
        [numpy_helper.from_array(np.eye(64, width, dtype=np.float32) * factor, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def _compiled(factor: float, *devices: str, width: int = SMALL) -> Plan:
    """On the first of the devices that can run each part; nothing is measured."""
    model = _scaled(factor, width)
    return compile_model(model, feeds=FEEDS, devices=devices or ["cpu.serial"], costs=unmeasured)


def _largest(session: Session, rows: int) -> float:
    [output] = session.run(None, {"x": np.ones((rows, 64), np.float32)})
    return float(output.max())


def _replace(path: Path) -> None:
    _compiled(5).save(path)


def _remove(path: Path) -> None:
    path.unlink()


def _put_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _link_elsewhere(path: Path) -> None:
    other = path.with_name("other.plan")
    _compiled(5).save(other)
    path.unlink()
    path.symlink_to(other)


@pytest.mark.parametrize(
    "devices",
    [["cpu.serial"], ["openvino.f32.serial", "cpu.serial"], ["pim.hbm", "cpu.serial"]],
    ids=lambda devices: devices[0],
)
@pytest.mark.parametrize("change", [_replace, _remove, _put_a_folder, _link_elsewhere])
def test_another_file_at_its_path_does_not_concern_it(
    tmp_path: Path, devices: list[str], change: Callable[[Path], None]
) -> None:
    path = tmp_path / "live.plan"
    _compiled(1, *devices).save(path)
    session = Session(path)
    change(path)
    assert [_largest(session, rows) for rows in (4, 7, 9)] == [1.0, 1.0, 1.0]


def test_a_plan_that_was_loaded_is_saved_as_it_was(tmp_path: Path) -> None:
    path, copy = tmp_path / "live.plan", tmp_path / "copy.plan"
    _compiled(1).save(path)
    plan = Plan.load(path)
    _replace(path)
    plan.save(copy)
    assert _largest(Session(copy), 7) == 1.0
    assert copy.stat().st_nlink == 1


def _truncate(path: Path, width: int) -> None:
    os.truncate(path, 100)


def _overwrite(path: Path, width: int) -> None:
    """As `cp` does: the same length, other bytes."""
    other = path.with_name("other.plan")
    _compiled(5, width=width).save(other)
    with path.open("r+b") as file:
        file.write(other.read_bytes())


@pytest.mark.parametrize("rows", [4, 7], ids=["profiled", "not profiled"])
@pytest.mark.parametrize("change", [_truncate, _overwrite])
def test_what_is_written_into_its_file_is_noticed(
    tmp_path: Path, change: Callable[[Path, int], None], rows: int
) -> None:
    path = tmp_path / "live.plan"
    _compiled(1, width=LARGE).save(path)
    session = Session(path)
    change(path, LARGE)
    with pytest.raises(PlanError, match="changed in place"):
        _largest(session, rows)


@pytest.mark.parametrize("change", [_truncate, _overwrite])
def test_what_is_written_into_a_small_file_does_not_concern_it(
    tmp_path: Path, change: Callable[[Path, int], None]
) -> None:
    path = tmp_path / "live.plan"
    _compiled(1).save(path)
    session = Session(path)
    change(path, SMALL)
    assert [_largest(session, rows) for rows in (4, 7)] == [1.0, 1.0]


@pytest.mark.parametrize("width", [SMALL, LARGE])
def test_a_file_that_was_only_touched_is_as_good_as_before(tmp_path: Path, width: int) -> None:
    path = tmp_path / "live.plan"
    _compiled(1, width=width).save(path)
    session = Session(path)
    os.utime(path, (1, 1))
    assert [_largest(session, rows) for rows in (4, 7)] == [1.0, 1.0]
