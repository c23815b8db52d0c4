"""`stagecut estimate` of many-core devices."""

import pytest

from stagecut.compiler.ir.errors import ShapeError, UnplaceableError, UsageError
from tests.support.manycore import manycore
from tests.support.repository import ROOT

HEADS = (1, 12, 197, 64)
ASKED: dict[str, list[tuple[int, ...]]] = {
    "MatMul": [(197, 768), (768, 3072)],
    "Attention": [HEADS, HEADS, HEADS],
    "LayerNormalization": [(197, 768), (768,)],
    "Gelu": [(197, 3072)],
    "Softmax": [(12, 197, 197)],
    "Add": [(197, 768), (197, 768)],
}


@pytest.mark.parametrize(("op", "shapes"), ASKED.items(), ids=ASKED.keys())
def test_what_is_answered(op: str, shapes: list[tuple[int, ...]]) -> None:
    found = manycore("manycore.snitch16").estimate_operator(op, shapes)
    document = found.document()
    assert {"cycles", "run_s", "utilisation", "tiles", "dma_bytes", "energy_j"} <= document.keys()
    assert document["basis"] == "modelled"
    assert found.run_s == pytest.approx(found.cycles * 1e-9)
    assert found.lines()[0].startswith(f"{op} on manycore.snitch16: ")


def test_the_optimised_library_is_worth_its_name() -> None:
    """An encoder's product: between the ratio of one register of streams and of eight."""
    shapes = ASKED["MatMul"]
    slow = manycore("manycore.snitch16:library=baseline").estimate_operator("MatMul", shapes)
    fast = [
        manycore(f"manycore.snitch16:precision={precision}").estimate_operator("MatMul", shapes)
        for precision in ("fp64", "fp32", "fp16", "fp8")
    ]
    assert 4 < slow.cycles / fast[0].cycles < 8
    assert [cost.cycles for cost in fast] == sorted((cost.cycles for cost in fast), reverse=True)


def test_bad_questions_are_refused_with_the_reason() -> None:
    device = manycore("manycore.snitch16")
    with pytest.raises(UnplaceableError, match="Tanh: the library has no kernel"):
        device.estimate_operator("Tanh", [(4,)])
    with pytest.raises(ShapeError, match="MatMul does not take 2 operands"):
        device.estimate_operator("MatMul", [(4, 3), (4, 3)])
    with pytest.raises(UsageError, match="computes in fp64, not in fp8"):
        device.estimate_operator("Gelu", [(4, 3)], "fp8")
    with pytest.raises(UsageError, match="lie row after row"):
        device.place_operator("MatMul", [(4, 3), (3, 4)])
    small = manycore("manycore.snitch16:capacity_bytes=2097152")
    with pytest.raises(UnplaceableError, match="its weights take") as error:
        small.estimate_operator("MatMul", [(1, 1024), (1024, 1024)])
    assert "capacity_bytes" in str(error.value.fix)


def test_what_has_no_room_says_how_much_there_would_have_to_be() -> None:
    long = (1, 1, 8, 5000)
    with pytest.raises(UnplaceableError, match="a row of Q and of K, 5000 numbers") as error:
        manycore("manycore.snitch16").estimate_operator("Attention", [long, long, long])
    assert "scratchpad_bytes" in str(error.value.fix)


def test_rows_of_attention_are_halved_where_columns_are_not_enough() -> None:
    tall = manycore("manycore.snitch16:attention_rows=4096").estimate_operator(
        "Attention", [(1, 1, 4096, 64)] * 3
    )
    assert tall.tiles == ("64 x 16 of 64",)


def test_the_documentation_has_what_each_lever_brings() -> None:
    page = (ROOT / "docs" / "manycore.md").read_text("utf-8")
    table = page.partition("| lever | product | attention |\n|---|---|---|\n")[2].partition("\n\n")[
        0
    ]
    lines = [line.strip("| ").split(" | ") for line in table.splitlines()]
    assert len(lines) == 7
    for lever, *shown in lines:
        on = "" if lever == "none" else f",{lever.strip('`')}=on"
        device = manycore(f"manycore.snitch16:precision=fp8{on}")
        found = [device.estimate_operator(op, ASKED[op]).cycles for op in ("MatMul", "Attention")]
        assert [f"{cycles:,}" for cycles in found] == shown
