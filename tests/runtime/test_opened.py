"""What a session opens: variants in their order, and the file from which engines read weights."""

from pathlib import Path

import pytest

from stagecut.backends import UNHEARD
from stagecut.compiler import Plan, compile_model
from stagecut.compiler.formats import archive
from stagecut.compiler.ir.device import silent
from stagecut.runtime.opened import variants_of, watched
from tests.support.onnx_models import MODELS


def test_each_variant_in_its_order() -> None:
    shapes = [{"ids": (2, size), "scale": (2, 3)} for size in (6, 4)]
    plan = compile_model(
        MODELS["symbolic dimensions"].proto(), devices=["cpu.serial"], shapes=shapes
    )
    entry = plan.entry_named("main")
    found = variants_of(plan, entry, fallback=False, over=None, progress=silent, listener=UNHEARD)
    assert [each.planned for each in found] == [*entry.planned.variants]
    assert [each.shapes for each in found] == [((2, size), (2, 3)) for size in (6, 4)]


@pytest.mark.parametrize("copied", [0, 1 << 30], ids=["kept open", "copied"])
def test_a_file_is_watched_where_weights_can_change_in_it(
    copied: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tiny.plan"
    compile_model("zoo:tiny-bert", devices=["cpu.serial"]).save(path)
    monkeypatch.setattr(archive, "_COPIED_BYTES", copied)
    plan = Plan.load(path)
    assert watched(plan) is (None if copied else plan.archive)
