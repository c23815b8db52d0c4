"""What kernels of `pim.hbm` take, against the vendor's simulator and against common sense."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.backends.pim.estimate import OperatorEstimate
from tests.support.pim import estimate
from tests.support.repository import ROOT

TABLE = ROOT / "benchmarks" / "pim_timing.csv"


def _batchnorm(elements: int) -> str:
    return f"BatchNormalization 1x1x{elements} 1 1 1 1"


#: Operator and shapes, channels, refresh -> cycles by Samsung's simulator.
FIGURES = {
    "two input tiles": ("MatMul 1x256 256x64", 1, "off", 1138),
    "one input tile, three output tiles": ("MatMul 1x128 128x192", 1, "off", 1588),
    "a batch costs as much as more outputs": ("MatMul 4x256 256x64", 1, "off", 3559),
    "sixteen channels": ("MatMul 1x4096 4096x1024", 16, "on", 13166),
    "sixty-four channels": ("MatMul 1x11008 11008x4096", 64, "on", 35022),
    "an addition that fills one pass": ("Add 131072 131072", 64, "on", 731),
    "many passes": ("Add 1048576 1048576", 16, "on", 11806),
    "one operand": ("Relu 32768", 1, "off", 3673),
    "one operand and two scalars": (_batchnorm(8192), 1, "off", 1485),
}

shapes = st.integers(1, 7000)
channels = st.sampled_from([1, 4, 16, 64])


@pytest.mark.parametrize(
    ("operator", "channels", "refresh", "cycles"), FIGURES.values(), ids=FIGURES.keys()
)
def test_simulator_figures(operator: str, channels: int, refresh: str, cycles: int) -> None:
    tolerance = 0.01 if refresh == "on" else 0
    assert _ask(operator, channels, refresh).cycles == pytest.approx(cycles, rel=tolerance)


def _rows() -> list[dict[str, str]]:
    with TABLE.open() as lines:
        return [row for row in csv.DictReader(lines) if row["refresh"] != "none"]


@pytest.mark.parametrize(
    "row",
    _rows(),
    ids=lambda row: "{op} {out}x{in} batch {batch} on {channels}, {refresh}".format(**row),
)
def test_every_row_of_the_simulator(row: dict[str, str]) -> None:
    tree = "on" if row["op"] == "gemvtree" else "off"
    answer = _ask(_operator(row), int(row["channels"]), f"{row['refresh']},tree={tree}")
    tolerance = 0.01 if row["refresh"] == "on" else 0
    assert answer.cycles == pytest.approx(int(row["pim_cycles"]), rel=tolerance)
    assert answer.readback_cycles == pytest.approx(int(row["readback_cycles"]), abs=1)
    assert answer.commands.rd == int(row["pim_rd_total"])
    assert answer.commands.wr == int(row["pim_wr_total"])


def _operator(row: dict[str, str]) -> str:
    elements = int(row["out"])
    match row["op"]:
        case "gemv" | "gemvtree":
            return f"MatMul {row['batch']}x{row['in']} {row['in']}x{elements}"
        case "bn":
            return _batchnorm(elements)
        case "relu":
            return f"Relu {elements}"
        case op:
            return f"{op.capitalize()} {elements} {elements}"


@given(shapes, shapes, st.integers(1, 40), channels)
def test_rows_cost_alike_and_the_fixed_cost_is_paid_once(
    inner: int, outer: int, rows: int, channels: int
) -> None:
    one, two, many = (
        _ask(f"MatMul {n}x{inner} {inner}x{outer}", channels, "off").cycles
        for n in (1, 2, rows + 2)
    )
    assert many - two == rows * (two - one)
    assert one > two - one


@given(shapes, shapes, channels)
def test_cost_depends_on_tiles_alone(inner: int, outer: int, channels: int) -> None:
    padded = -(-inner // 128) * 128, -(-outer // (64 * channels)) * 64 * channels
    asked, full = (
        _ask(f"MatMul 1x{i} {i}x{o}", channels, "on") for i, o in ((inner, outer), padded)
    )
    assert asked.cycles == full.cycles
    assert asked.commands == full.commands
    assert asked.bytes_padded == full.bytes_padded == 2 * padded[0] * padded[1]


@given(shapes, shapes, st.sampled_from([1, 4, 16]))
def test_channels_share_the_outputs(inner: int, outer: int, channels: int) -> None:
    alone = _ask(f"MatMul 1x{inner} {inner}x{outer}", 1, "on").cycles
    together = _ask(f"MatMul 1x{inner} {inner}x{outer * channels}", channels, "on").cycles
    assert together <= alone


@given(shapes, shapes, st.integers(1, 8), channels)
def test_channels_share_outputs_only_where_that_is_faster(
    inner: int, outer: int, rows: int, channels: int
) -> None:
    operator = f"MatMul {rows}x{inner} {inner}x{outer}"
    shared, alone = (_ask(operator, channels, f"on,split={split}") for split in ("on", "off"))
    assert shared.cycles == alone.cycles
    assert alone.split is None
    if shared.split is None:
        assert shared.run_s == alone.run_s
    else:
        assert shared.run_s < alone.run_s
        assert shared.split.ways <= channels
        assert shared.split.bytes_padded >= 2 * inner * outer


def test_a_quarter_of_the_outputs_is_faster_when_channels_share_them() -> None:
    """1024 outputs fill 16 of 64 channels; two groups of 32 channels add up a half each."""
    answer = _ask("MatMul 1x1024 1024x1024", 64, "off")
    assert answer.split is not None
    assert answer.split.ways == 2
    assert answer.split.cycles == _ask("MatMul 1x512 512x1024", 32, "off").cycles


@given(st.integers(1, 10**7), channels)
def test_one_operand_takes_less_time_than_two(elements: int, channels: int) -> None:
    relu = _ask(f"Relu {elements}", channels, "off")
    add, mul = (_ask(f"{op} {elements} {elements}", channels, "off") for op in ("Add", "Mul"))
    assert relu.cycles < add.cycles == mul.cycles
    assert relu.commands.rd < add.commands.rd
    assert relu.commands.wr == add.commands.wr


def _ask(operator: str, channels: int, refresh: str) -> OperatorEstimate:
    op, *shapes = operator.split()
    sizes = [tuple(map(int, shape.split("x"))) for shape in shapes]
    return estimate(f"pim.hbm:channels={channels},refresh={refresh}", op, sizes)
