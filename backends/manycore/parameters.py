"""The parameters of a many-core preset: the chip, its kernels' constants, energy and the host.

Field names are those of the preset in lower case; where a number differs between precisions the
preset has one for each, with the precision as suffix, and `of_precision` picks one. Constructors
raise DeviceError, with the name of the parameter and the reason, for what the model does not cover.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

from stagecut.compiler.ir.errors import DeviceError

Library: TypeAlias = Literal["optimised", "baseline"]

#: Precision -> bytes of a number.
BYTES = {"fp64": 8, "fp32": 4, "fp16": 2, "fp8": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """Clusters of `cores` compute cores and a DMA core around a scratchpad.

    `ports` is the number of ways, each as wide as a DMA, by which all clusters reach the HBM, whose
    bandwidth is in bytes a cycle. `reserved_bytes` of a scratchpad are stacks and the like.
    """

    clusters: int
    cores: int
    scratchpad_bytes: int
    reserved_bytes: int
    banks: int
    ssr_credits: int
    dma_bytes: int
    ports: int
    hbm_bytes_per_cycle: float
    capacity_bytes: int
    clock_hz: float

    def __post_init__(self) -> None:
        _refuse_below(self, 1)
        if self.banks & (self.banks - 1):
            _refuse("banks", f"{self.banks} is not a power of two")
        if self.cores > 8:
            _refuse("cores", f"{self.cores} cores have more ports than the tree of a bank, 32")
        if self.dma_bytes % 8 or self.dma_bytes > 8 * self.banks:
            _refuse("dma_bytes", f"{self.dma_bytes} is not a number of banks of 8 bytes")
        if self.scratchpad_bytes <= self.reserved_bytes:
            _refuse("reserved_bytes", f"{self.reserved_bytes} leaves nothing of the scratchpad")
        if self.capacity_bytes < self.clusters * self.scratchpad_bytes:
            _refuse("capacity_bytes", f"{self.capacity_bytes} is less than the scratchpads hold")

    @property
    def usable_bytes(self) -> int:
        return self.scratchpad_bytes - self.reserved_bytes

    def slowdown(self, clusters: int) -> float:
        """How much longer a beat takes when so many clusters transfer at once."""
        return max(1.0, clusters / self.ports, clusters * self.dma_bytes / self.hbm_bytes_per_cycle)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fpu:
    """`lanes` multiply-adds an instruction; a result is there `latency` cycles after it."""

    lanes: int
    latency: int

    def __post_init__(self) -> None:
        _refuse_below(self, 1)
        if self.lanes not in {1, 2, 4, 8}:
            _refuse("lanes", f"{self.lanes} do not fill a register of 64 bits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """`tcdm_latency` from a request's grant to its operand; cores start `start_skew` apart, their
    streams `start_lead` before them."""

    tcdm_latency: int
    start_skew: int
    start_lead: int
    barrier: int

    def __post_init__(self) -> None:
        _refuse_below(self, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gemm:
    """Cycles of a call, before and after each block of eight results, of loading what a block adds
    to (`accumulate`), and after each row."""

    call: int
    before: int
    after: int
    accumulate: int
    row: int
    nonexpanding: int

    def __post_init__(self) -> None:
        _refuse_below(self, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """The library without streams, repetition and SIMD: cycles of a call, of a multiply-add and of
    a result; and with SIMD alone, of a step of the loop."""

    scalar_call: int
    scalar_mac: int
    scalar_result: int
    unrolled_mac: int
    unrolled_result: int
    simd_step: int
    simd_result: int

    def __post_init__(self) -> None:
        _refuse_below(self, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dma:
    """Cycles of transfers; see kernels/dma.py. `disturbs` is what a beat costs the cores."""

    dma_read: float
    dma_write: float
    dma_local: float
    dma_read_page: float
    dma_read_2d: float
    dma_write_2d: float
    dma_row: int
    dma_short_row: int
    dma_write_row: float
    dma_write_beat: float
    dma_poll: int
    dma_poll_2d: int
    dma_issue: int
    dma_disturbs: float

    def __post_init__(self) -> None:
        _refuse_below(self, 0)
        for name in ("dma_poll", "dma_poll_2d"):
            if getattr(self, name) < 1:
                _refuse(name, "who waits looks once a cycle at the most")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Cycles of kernels that work row by row or number by number.

    `exp` is of one exponential with its subtraction, maximum and sum: `exp_near` where its
    constants lie in the scratchpad, otherwise `exp_alone` on one core and `exp_crowded` on eight.
    """

    exp_alone: float
    exp_crowded: float
    exp_near: float
    expf_crowded: float
    expf_table: float
    convert: float
    softmax_call: int
    divide: float
    multiply: float
    rescale_call: int
    transpose: float
    layernorm_element: int
    layernorm_row: int
    layernorm_call: int
    layernorm_crowded: float
    naive_layernorm_element: float
    naive_layernorm_row: int
    gelu_element: float
    gelu_call: int
    axpy_call: int
    naive_axpy_element: float
    naive_axpy_call: int
    dot_call: int
    attention_tile: int

    def __post_init__(self) -> None:
        _refuse_below(self, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Levers:
    """What the published library leaves on the table, to be switched on one by one."""

    double_buffer: bool
    near_exp: bool
    transposed_v: bool
    multiply_not_divide: bool
    split_n: bool
    find_tiles: bool
    keep_rows: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """The library's tiles of products and of attention, the latter at the most."""

    tile_rows: int
    tile_columns: int
    tile_inner_bytes: int
    attention_rows: int
    attention_columns: int

    def __post_init__(self) -> None:
        _refuse_below(self, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """Joules of an FPU instruction, of a core's cycle, and of a bit to or from the HBM."""

    fpu_j: float
    core_cycle_j: float
    hbm_j_per_bit: float

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 0:
                _refuse(field.name, f"{getattr(self, field.name):g} would gain energy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The way between the host and the HBM."""

    sync_s: float
    link_bytes_per_s: float

    def __post_init__(self) -> None:
        if self.sync_s < 0:
            _refuse("sync_s", f"{self.sync_s:g} would gain time")
        if self.link_bytes_per_s <= 0:
            _refuse("link_bytes_per_s", "nothing would ever finish")


def of_precision(section: Mapping[str, Any], precision: str) -> dict[str, Any]:
    """The numbers of a section for one precision; those without a suffix are for all of them."""
    found: dict[str, Any] = {}
    for key, number in section.items():
        name, _, suffix = key.rpartition("_")
        if suffix not in BYTES:
            found[key] = number
        elif suffix == precision:
            found[name] = number
    return found


def _refuse_below(parameters: Any, least: int) -> None:
    for field in fields(parameters):
        number = getattr(parameters, field.name)
        if not math.isfinite(number) or number < least or (number == 0 and least):
            _refuse(field.name, f"{number} is less than {least}")


def _refuse(name: str, problem: str) -> None:
    """Raise DeviceError about parameter `name`; `Preset.explaining` adds the preset's file."""
    raise DeviceError(problem, where=name)
