"""What an HBM-PIM's work takes in joules: its commands, counted by hand, times what each takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut import backends
from stagecut.compiler.ir.device import Estimate
from stagecut.compiler.ir.errors import DeviceError
from stagecut.compiler.ir.graph import Value
from tests.support.pim import estimate

#: The memory alone: neither the host nor whatever draws power all the time; then its cells alone.
MEMORY = "pim.hbm:channels=1,refresh=off,split=off,host_w=0,standby_w=0"
CELLS = f"{MEMORY},lane_j=0"

#: Picojoules: a row opened, a burst in its own bank, a burst between bank and host.
ROW, CELL, PATH = 8192 * 0.11, 256 * 0.44, 256 * (1.01 + 1.23 + 0.5 + 0.3)
PARKING = 32 * (ROW + CELL + PATH)

#: Operator -> picojoules of the kernel; (reads, stores, rows) of 8 blocks, and the host's writes.
KERNELS = {
    "a tile of weights, its registers and its sums": (
        ("MatMul", (1, 128), (128, 64)),
        8 * ((64 + 8) * CELL + (2 + 1 + 2 + 4) * ROW) + (7 + 8 + 2) * PATH,
    ),
    "two operands and the result of an addition, even and odd": (
        ("Add", (2048,), (2048,)),
        8 * ((32 + 16) * CELL + (6 + 1 + 4) * ROW) + (7 + 2) * PATH,
    ),
    "an operand and the result of a rectifier": (
        ("Relu", (2048,)),
        8 * ((16 + 16) * CELL + (4 + 1 + 4) * ROW) + (7 + 2) * PATH,
    ),
}


@pytest.mark.parametrize(("operator", "picojoules"), KERNELS.values(), ids=KERNELS.keys())
def test_kernels(operator: tuple[str, *tuple[tuple[int, ...], ...]], picojoules: float) -> None:
    op, *shapes = operator
    answer = estimate(CELLS, op, shapes)
    streamed = 0.0
    if op == "MatMul":  # the activation, 64 sums of 16 lanes, the result
        streamed = (128 // 16 + 64 + 64 // 16) * 256 * 3.59
    assert answer.energy_j == pytest.approx((PARKING + picojoules + streamed) * 1e-12)


def test_a_bit_of_weight_pays_a_sixth_of_what_the_host_would_pay() -> None:
    """Per even and odd input tile: 2 x 4 rows of weights, used in full, and a register row each."""
    few, many = (estimate(CELLS, "MatMul", [(1, n), (n, 64)]).energy_j for n in (256, 512))
    activation = 256 / 16 * 256 * (3.59 + 3.04) + 2 * 8 * ROW
    assert many - few == pytest.approx((256 * 64 * 16 * 0.55 + activation) * 1e-12)


def test_a_product_takes_less_than_half_of_what_reading_its_weights_would() -> None:
    """The vendor's papers claim 60 % less energy for a whole system."""
    answer = estimate("pim.hbm", "MatMul", [(1, 1024), (1024, 4096)])
    read_by_host_j = 8 * answer.bytes_padded * 3.59e-12
    assert answer.energy_j == pytest.approx(0.4 * read_by_host_j, rel=0.1)


def test_a_copy_pays_for_every_bit_on_its_way_to_the_host() -> None:
    value = Value("v", "float32", (16 * 32,))
    for link in backends.create(CELLS).links:
        assert _known(link.estimate(value)).energy_j == pytest.approx(512 * 16 * 3.59e-12)


def test_the_host_is_busy_all_the_time() -> None:
    shapes = [(4, 768), (768, 768)]
    idle, busy = (estimate(f"pim.hbm:host_w={watts}", "MatMul", shapes) for watts in (0, 5))
    assert busy.run_s == idle.run_s
    assert busy.energy_j - idle.energy_j == pytest.approx(5 * idle.run_s)


def test_channels_draw_power_while_the_kernel_runs() -> None:
    spec = "pim.hbm:channels=16,host_w=0,standby_w="
    none, some = (estimate(f"{spec}{watts}", "Relu", [(99_999,)]) for watts in (0, 0.5))
    assert some.energy_j - none.energy_j == pytest.approx(16 * 0.5 * some.cycles * 1e-9)


def test_a_lane_pays_for_every_number_that_it_reads() -> None:
    without, some = (
        estimate(f"{MEMORY},lane_j={joules}", "MatMul", [(3, 128), (128, 64)])
        for joules in ("0", "1e-12")
    )
    assert some.energy_j - without.energy_j == pytest.approx(3 * 128 * 64 * 1e-12)


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 4))
def test_more_work_takes_more_energy(inner: int, outer: int, rows: int) -> None:
    less, more = (
        estimate("pim.hbm:split=off", "MatMul", [(n, inner), (inner, outer)])
        for n in (rows, rows + 1)
    )
    assert 0 < less.energy_j < more.energy_j


def test_energy_that_is_gained_is_refused() -> None:
    with pytest.raises(DeviceError, match="lane_j: -1 would gain energy") as caught:
        backends.create("pim.hbm:lane_j=-1")
    assert caught.value.fix == "the preset has lane_j = 1.5e-12"


def _known(found: Estimate | None) -> Estimate:
    assert found is not None
    return found
