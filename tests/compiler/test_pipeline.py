"""The whole compile: what it decides, how little it does twice, and what it refuses."""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest

from stagecut.backends.null.device import NullBackend, NullExecutable
from stagecut.compiler import compile_model
from stagecut.compiler.context import Settings
from stagecut.compiler.formats.plan_file import Plan
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.device import StageProgram
from stagecut.compiler.ir.errors import CrashedError, UnplaceableError
from stagecut.compiler.ir.machine import Route
from stagecut.compiler.measure.crash_journal import CrashJournal
from tests.support.onnx_models import MODELS
from tests.support.scattered import scattered, scattered_costs
from tests.support.traffic import Traffic, counted

RESIDUAL = MODELS["residual"].proto()
QUICK = Settings(effort="quick")

#: Two nodes, of which the second has a weight of 64 KiB.
LARGE = onnx.parser.parse_model(
    """<ir_version: 10, opset_import: ["": 21]>
    large (float[1,128] x) => (float[1,128] y) { h = Relu(x)  y = MatMul(h, w) }"""
)
LARGE.graph.initializer.append(
    onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, (128, 128), [1.0] * 128**2)
)


def _compiled(model: object, *devices: str, **options: Any) -> Plan:
    return compile_model(model, devices=devices, settings=QUICK, **options)


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How often each stage program was prepared, by its name."""
    counts: Counter[str] = Counter()
    prepare = NullBackend.prepare

    def counted(self: NullBackend, stage: StageProgram) -> NullExecutable:
        counts[stage.name] += 1
        return prepare(self, stage)

    monkeypatch.setattr(NullBackend, "prepare", counted)
    return counts  # type: ignore[return-value]


def test_every_contender_is_built_once(prepared: Counter[str]) -> None:
    """Shared by accuracy and gate. Two nodes on a measured device, and a reference elsewhere: one
    stage a node to profile, one for what a start costs, and one for the one contender."""
    _compiled(LARGE, "null:memory=host,basis=measured", granularity="op")
    assert prepared == Counter({"dispatch": 1, "stage-000": 2, "stage-001": 1})


#: A product with a weight beside which all else that a compile reads and writes is little.
WIDE = onnx.parser.parse_model(
    """<ir_version: 10, opset_import: ["": 21]>
    wide (float[n,1024] x) => (float[n,1024] y) { h = Relu(x)  y = MatMul(h, w) }"""
)
WIDE_BYTES = 4 * 1024**2
WIDE.graph.initializer.append(
    onnx.numpy_helper.from_array(
        np.random.default_rng(0).standard_normal((1024, 1024)).astype(np.float32), "w"
    )
)


def _traffic(device: str, path: Path) -> Traffic:
    """Of a compile for two shapes and all others, and of saving the plan."""
    shapes = [{"x": (rows, 1024)} for rows in (1, 2)]
    _compiled(LARGE, device, costs=scattered(0))  # what is imported is imported
    with counted() as traffic:
        plan = _compiled(WIDE, device, costs=scattered(0), shapes=shapes)
        plan.save(path)
    assert len(plan.variants) == 2
    sys.stdout.write(f"{device}: a weight of {WIDE_BYTES} bytes, {traffic}\n")
    return traffic


def test_weights_are_written_once_and_read_once(tmp_path: Path) -> None:
    """Read for the seal. Digests are of the weight by itself, of the member that holds it, and of
    the whole file."""
    found = _traffic("cpu.serial", tmp_path / "x.plan")
    assert [round(each / WIDE_BYTES, 1) for each in astuple(found)] == [1.0, 1.0, 3.0]


def test_weights_in_few_bits_are_written_besides(tmp_path: Path) -> None:
    """With scales and what is around them, 0.3 of the same; these are read for the seal. The tools
    that make them keep a file for a moment, and so small a plan file is copied when opened."""
    path = tmp_path / "x.plan"
    found = _traffic("cpu.int8.serial", path)
    assert found.written_bytes < 1.4 * WIDE_BYTES + path.stat().st_size
    assert found.read_bytes < 0.6 * WIDE_BYTES
    assert found.hashed_bytes < 3 * WIDE_BYTES


def test_the_same_question_has_the_same_answer_byte_for_byte(tmp_path: Path) -> None:
    costs = scattered_costs(RESIDUAL, ["cpu.serial", "null:memory=pim"], seed=1)
    for name in ("one", "two"):
        _compiled(RESIDUAL, "cpu.serial", "null:memory=pim", costs=costs).save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_where_the_time_went() -> None:
    phases = _compiled(RESIDUAL, "cpu.serial").phases
    names = ["import", "weights", "plan", "profile", "partition", "gate", "assemble", "write"]
    assert [*phases] == names


def _with_energies(run_j: dict[str, float]) -> CostTable:
    """Everything is twice as fast on the null device, which wants more energy."""
    table = scattered_costs(RESIDUAL, ["cpu.serial", "null:memory=pim"], seed=0)
    run_s = {"cpu.serial": 2.0, "null": 1.0}
    joules = dict.fromkeys((Route("host", "pim"), Route("pim", "host")), 0.0)
    return replace(
        table,
        nodes=tuple(replace(node, run_s=run_s, run_j=run_j) for node in table.nodes),
        values=tuple(replace(value, transfer_j=joules) for value in table.values),
    )


def test_energy_may_be_limited() -> None:
    table = _with_energies({"cpu.serial": 1.0, "null": 3.0})
    devices, nodes = ("cpu.serial", "null:memory=pim"), len(table.nodes)
    fast = _compiled(RESIDUAL, *devices, costs=table).first.planned
    assert set(fast.schedule.device_of.values()) == {"null"}
    frugal = _compiled(RESIDUAL, *devices, costs=table, max_energy_j=nodes + 2.0).first.planned
    assert Counter(frugal.schedule.device_of.values()) == {"cpu.serial": nodes - 1, "null": 1}
    assert frugal.account.energy_j == nodes + 2.0
    assert frugal.provenance.options["max energy"] == f"{nodes + 2} J"
    with pytest.raises(UnplaceableError, match="exceeds energy by 1"):
        _compiled(RESIDUAL, *devices, costs=table, max_energy_j=nodes - 1.0)


def test_a_plan_in_memory_is_the_plan_that_is_saved(tmp_path: Path) -> None:
    plan = _compiled(RESIDUAL, "cpu.serial")
    plan.save(tmp_path / "x.plan")
    assert Plan.load(tmp_path / "x.plan").document == plan.document


def test_a_device_that_crashed_when_it_was_made_is_left_out_and_told(tmp_path: Path) -> None:
    CrashJournal(tmp_path).ask("null")
    CrashJournal(tmp_path).record_crash("crashed (SIGSEGV)")
    settings = replace(QUICK, notes=tmp_path)
    plan = compile_model("zoo:tiny-mlp", devices=["cpu.serial", "null"], settings=settings)
    assert plan.first.planned.provenance.devices == {"cpu.serial": "cpu.serial"}
    assert "null crashed (SIGSEGV) when it was made" in plan.first.planned.workarounds
    with pytest.raises(CrashedError, match=r"device null: it crashed \(SIGSEGV\)"):
        compile_model("zoo:tiny-mlp", devices=["null"], settings=settings)
