"""`partition --objective throughput --check PLAN` of a plan for batches: all of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx.parser
import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.context import Settings
from stagecut.compiler.formats.plan_file import Plan
from tests.support import batched
from tests.support.command_line import Said, stagecut
from tests.support.resealed import resealed


@pytest.fixture(scope="module")
def plan() -> Plan:
    """Single inputs, and batches of two."""
    with pytest.MonkeyPatch.context() as patch:
        batched.let_larger_be_faster(patch)
        model: onnx.ModelProto = onnx.parser.parse_model(batched.HEADER + batched.ROWS)
        return compile_model(
            model,
            shapes={"x": (1, 4)},
            devices=["cpu.serial"],
            objective="throughput",
            max_batch=2,
            settings=Settings(effort="quick", load=lambda: None, warn=lambda _: None),
        )


@pytest.fixture
def check(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Said]:
    def run(path: Path, *more: object) -> Said:
        streams = ("--objective", "throughput")
        return stagecut(capsys, monkeypatch, "partition", path, *streams, "--check", path, *more)

    return run


def test_each_variant_is_checked_by_its_own_costs(
    check: Callable[..., Said], plan: Plan, tmp_path: Path
) -> None:
    path = tmp_path / "b.plan"
    plan.save(path)
    first, second = check(path).out.splitlines()
    assert first.startswith("x 1x4: certificate accepted: nothing within")
    assert second.startswith("x 2x4: certificate accepted: nothing within")
    document = json.loads(check(path, "--json").out)
    assert document["accepted"] is True
    assert [each["profiled"] for each in document["variants"]] == ["x 1x4", "x 2x4"]
    single, full = plan.variants
    assert full.planned.certificate.total == document["variants"][1]["period_s"]
    assert single.planned.certificate.total == document["variants"][1]["period_s"] / 2


def _halved(document: dict[str, Any], variant: int) -> None:
    certificate = document["entries"]["main"]["variants"][variant]["certificate"]
    for name in ("total", "lower_bound"):
        certificate[name] /= 2


def _claimed(document: dict[str, Any], variant: int) -> None:
    certificate = document["entries"]["main"]["variants"][variant]["certificate"]
    certificate["statement"] = "optimal: whatever you like"


@pytest.mark.parametrize("change", [_halved, _claimed])
@pytest.mark.parametrize("variant", [0, 1])
def test_what_a_plan_says_otherwise_is_refused(
    check: Callable[..., Said],
    change: Callable[[dict[str, Any], int], None],
    variant: int,
    plan: Plan,
    tmp_path: Path,
) -> None:
    path = resealed(
        tmp_path / "t.plan", plan.archive, {}, lambda document: change(document, variant)
    )
    said = check(path)
    assert said.code == 1
    assert f"its variant for x {variant + 1}x4 is not what is proved" in said.err
