"""A chip: all that a preset and its options say, as one value that every kernel reads."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from stagecut.backends.manycore.banks import BANK_BYTES, Scratchpad
from stagecut.backends.manycore.parameters import (
    BYTES,
    Dma,
    Energy,
    Fpu,
    Gemm,
    Geometry,
    Host,
    Levers,
    Library,
    Rows,
    Scalar,
    Streams,
    Tiles,
    of_precision,
)
from stagecut.backends.presets import Preset, Presets
from stagecut.compiler.ir.errors import DeviceError

Part = TypeVar("Part")

#: Results that the library's kernels compute together, to hide the latency of the FPU.
UNROLL = 8

#: Levers that change kernels which the baseline does not have.
_OF_OPTIMISED = ("transposed_v", "split_n", "find_tiles", "keep_rows")

#: Levers that change no product.
_NOT_OF_PRODUCTS = ("near_exp", "transposed_v", "multiply_not_divide", "keep_rows")


@dataclass(frozen=True)
class Chip:
    """One precision of one chip with one library."""

    precision: str
    library: Library
    geometry: Geometry
    fpu: Fpu
    streams: Streams
    gemm: Gemm
    scalar: Scalar
    dma: Dma
    rows: Rows
    tiles: Tiles
    levers: Levers
    energy: Energy
    host: Host

    def __post_init__(self) -> None:
        """Refuse what contradicts itself, and tiles of products that overflow the scratchpad."""
        if self.fpu.lanes * self.number_bytes > BANK_BYTES:
            raise DeviceError(
                f"{self.fpu.lanes} numbers of {self.number_bytes} bytes are more than a register",
                where=f"lanes_{self.precision}",
            )
        for lever in _OF_OPTIMISED:
            if getattr(self.levers, lever) and not self.optimised:
                raise DeviceError("the baseline library has no such kernels", where=lever)
        t, room = self.tiles, self.geometry.usable_bytes
        inner, number = t.tile_inner_bytes, self.number_bytes
        once = (t.tile_rows + t.tile_columns) * inner + t.tile_rows * t.tile_columns * number
        needed = once * (2 if self.levers.double_buffer else 1)
        if needed > room and not self.levers.find_tiles:
            raise DeviceError(
                f"a tile of {t.tile_rows} x {t.tile_columns} x {inner} bytes takes {needed} bytes, "
                f"and the scratchpad has room for {room}",
                where="tile_inner_bytes",
            )

    @property
    def number_bytes(self) -> int:
        return BYTES[self.precision]

    @property
    def optimised(self) -> bool:
        return self.library == "optimised"

    @property
    def issue(self) -> int:
        """Cycles between two multiply-adds: more than one where results come too late for the next
        of the eight sums."""
        return -(-(self.fpu.latency + 1) // UNROLL)

    @cached_property
    def bufferings(self) -> tuple["Chip", ...]:
        """The chip, and where it has double buffering, without it: a kernel that has no room for
        everything twice, or none for tiles as large, is better off so."""
        if not self.levers.double_buffer:
            return (self,)
        return self, replace(self, levers=replace(self.levers, double_buffer=False))

    @cached_property
    def of_products(self) -> "Chip":
        """The same without the levers that products know nothing of: what is found for them does
        not depend on these."""
        others = dict.fromkeys(_NOT_OF_PRODUCTS, False)
        return replace(self, levers=replace(self.levers, **others))

    @cached_property
    def scratchpad(self) -> Scratchpad:
        g, s = self.geometry, self.streams
        return Scratchpad(g.banks, g.ssr_credits, s.tcdm_latency, s.start_skew)

    @property
    def flop_per_cycle(self) -> int:
        """Operations that all cores can do in a cycle; two for a multiply-add."""
        return 2 * self.fpu.lanes * self.geometry.cores * self.geometry.clusters


def chip_of(preset: Preset) -> Chip:
    """The chip of `preset`. Raises DeviceError, with its name, for a number it does not cover."""
    precision = preset.options.choice("precision", tuple(BYTES), default="fp64")
    library = preset.options.choice("library", ("optimised", "baseline"), default="optimised")

    def of(make: Callable[..., Part], name: str) -> Part:
        """A section; where a number of this precision is wrong, its suffix belongs to its name."""
        section = preset.section(name)
        try:
            return make(**of_precision(section, precision))
        except DeviceError as error:
            suffixed = f"{error.where}_{precision}"
            where = suffixed if suffixed in section else error.where
            raise DeviceError(error.problem, where=where) from None

    with preset.explaining():
        return Chip(
            precision=precision,
            library="optimised" if library == "optimised" else "baseline",
            geometry=of(Geometry, "geometry"),
            fpu=of(Fpu, "fpu"),
            streams=of(Streams, "streams"),
            gemm=of(Gemm, "gemm"),
            scalar=of(Scalar, "scalar"),
            dma=of(Dma, "dma"),
            rows=of(Rows, "rows"),
            tiles=of(Tiles, "tiles"),
            levers=of(Levers, "levers"),
            energy=of(Energy, "energy"),
            host=of(Host, "host"),
        )


PRESETS = Presets("manycore", "stagecut.backends.manycore", ("snitch16", "occamy"))
