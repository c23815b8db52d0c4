"""What an HBM-PIM preset holds: DRAM timing, geometry, and what the host adds.

Field names are the JEDEC names in lower case. A value that exists is one that the timing model
covers; anything else is refused with the reason.
"""

from dataclasses import dataclass, fields

from stagecut.compiler.ir.errors import DeviceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Clock cycles between DRAM commands; `tck_s` is the length of a cycle in seconds."""

    tck_s: float
    rl: int
    wl: int
    bl: int
    tccds: int
    tccdl: int
    trrds: int
    trcdrd: int
    trcdwr: int
    tras: int
    trc: int
    trp: int
    trtpl: int
    twr: int
    twtrl: int
    trtrs: int
    trefi: int
    trfc: int
    refresh: bool

    def __post_init__(self) -> None:
        _refuse_below(0, self)
        if self.tck_s <= 0:
            _refuse("tCK_s", f"a cycle of {self.tck_s:g} s takes no time")
        if self.bl < 2 or self.bl % 2:
            _refuse("BL", f"{self.bl} transfers, two a cycle, do not fill whole cycles")
        for name, opened in (("tRCDRD", self.trcdrd), ("tRCDWR", self.trcdwr)):
            if self.tras < opened:
                _refuse("tRAS", f"{self.tras} closes a row before {name} = {opened} opens it")
        if self.trc < self.tras:
            _refuse("tRC", f"{self.trc} opens the next row before tRAS = {self.tras} closes this")
        if self.tccdl < self.tccds:
            _refuse("tCCDL", f"{self.tccdl} is less than across bank groups, tCCDS = {self.tccds}")
        if self.rl < self.wl:
            _refuse("RL", f"{self.rl} is less than WL = {self.wl}, which no DRAM has")
        if self.trefi <= self.trfc + self.trp + self.trcdrd + 11:
            _refuse("tREFI", f"{self.trefi} leaves no time to work between refreshes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """How many of everything; counts are per pseudo-channel and rank unless named otherwise."""

    channels: int
    ranks: int
    bank_groups: int
    banks_per_group: int
    compute_rows: int
    row_bytes: int
    burst_bytes: int
    registers: int

    def __post_init__(self) -> None:
        _refuse_below(1, self)
        if self.banks % 2:
            _refuse("banks_per_group", f"{self.banks} banks cannot be paired, two to a PIM block")
        if self.burst_bytes % 2:
            _refuse("burst_bytes", f"{self.burst_bytes} does not hold whole 16-bit lanes")
        if self.row_bytes % self.burst_bytes:
            _refuse("row_bytes", f"{self.row_bytes} is not a multiple of burst_bytes")
        if self.bursts_per_row % self.registers:
            _refuse(
                "registers", f"{self.registers} do not divide a row of {self.bursts_per_row} bursts"
            )
        if self.bursts_per_row > self.tile_bursts:
            _refuse("row_bytes", f"{self.row_bytes} holds more than a tile, which is not modelled")

    @property
    def banks(self) -> int:
        return self.bank_groups * self.banks_per_group

    @property
    def blocks(self) -> int:
        """PIM blocks: one between every even bank and its odd neighbour."""
        return self.banks // 2

    @property
    def lanes(self) -> int:
        """16-bit numbers in a burst, which a block works on at once."""
        return self.burst_bytes // 2

    @property
    def bursts_per_row(self) -> int:
        return self.row_bytes // self.burst_bytes

    @property
    def tile_outputs(self) -> int:
        """Sums that the registers of a channel hold: the rows of one tile of weights."""
        return self.blocks * self.registers

    @property
    def tile_inputs(self) -> int:
        """Numbers that the input registers hold: the columns of one tile of weights."""
        return self.registers * self.lanes

    @property
    def tile_bursts(self) -> int:
        """Bursts of weights that each block reads for a tile."""
        return self.registers**2

    @property
    def tile_rows(self) -> int:
        return -(-self.tile_bursts // self.bursts_per_row)

    @property
    def pass_elements(self) -> int:
        """Numbers that a channel handles in one element-wise pass over even and odd banks."""
        return 2 * self.blocks * self.registers * self.lanes

    @property
    def stripe_bytes(self) -> int:
        """The same row of every bank of every channel: the unit in which room is given out."""
        return self.channels * self.banks * self.row_bytes

    @property
    def capacity_bytes(self) -> int:
        """Of all channels and ranks, in rows that kernels can address."""
        return self.ranks * self.compute_rows * self.stripe_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What the host adds to every kernel and copy; no simulator covers it.

    `sync_s` for each hand-over between host and memory; the rates are those at which one core
    converts and flushes copied bytes, and adds up the lanes of partial sums.
    """

    sync_s: float
    flush_bytes_per_s: float
    reduce_bytes_per_s: float

    def __post_init__(self) -> None:
        if self.sync_s < 0:
            _refuse("sync_s", f"{self.sync_s:g} would gain time")
        for name in ("flush_bytes_per_s", "reduce_bytes_per_s"):
            if getattr(self, name) <= 0:
                _refuse(name, f"nothing would ever finish at {getattr(self, name):g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernels:
    """How kernels are run where there is a choice.

    `tree` stores the sums of every input tile and has the host add them up; `split` lets channels
    share the sums of an output where that is faster.
    """

    tree: bool
    split: bool


def _refuse_below(least: int, parameters: Timing | Geometry) -> None:
    for field in fields(parameters):
        value = getattr(parameters, field.name)
        if field.type is int and value < least:
            _refuse(field.name, f"{value} is less than {least}")


def _refuse(name: str, problem: str) -> None:
    """Whoever read the number knows where it came from, and adds that to the error."""
    raise DeviceError(problem, where=name)
