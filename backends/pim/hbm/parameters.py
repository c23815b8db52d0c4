"""The parameters of an HBM-PIM preset: DRAM timing, geometry, and the host's part.

Fields of `Timing` have the JEDEC names in lower case. Constructors raise DeviceError, with the name
of the parameter and the reason, for what the model does not cover.
"""

from dataclasses import dataclass, fields

from stagecut.compiler.ir.errors import DeviceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Clock cycles between DRAM commands; `tck_s` is the length of a cycle in seconds.

    Each parameter is explained, with its source, in presets/hbm.toml.
    """

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
    """Numbers of channels, banks, rows and registers, and sizes in bytes.

    Bank groups are those of a pseudo-channel and rank, `compute_rows` those of a bank; each block
    has `registers` registers for inputs and as many for sums.
    """

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
        """PIM blocks of a pseudo-channel: one between every even bank and its odd neighbour."""
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
        """Outputs whose sums the registers of a channel hold: those of one tile of weights."""
        return self.blocks * self.registers

    @property
    def tile_inputs(self) -> int:
        """Numbers that the input registers of a block hold: the inputs of one tile of weights."""
        return self.registers * self.lanes

    @property
    def tile_bursts(self) -> int:
        """Bursts of weights that each block reads for a tile."""
        return self.registers**2

    @property
    def tile_rows(self) -> int:
        """DRAM rows that a tile's weights fill in a bank of each block."""
        return -(-self.tile_bursts // self.bursts_per_row)

    @property
    def pass_elements(self) -> int:
        """Results on a channel of one element-wise pass over its even and odd banks."""
        return 2 * self.blocks * self.registers * self.lanes

    @property
    def stripe_bytes(self) -> int:
        """The same row of every bank of every channel: the unit in which memory is allocated."""
        return self.channels * self.banks * self.row_bytes

    @property
    def capacity_bytes(self) -> int:
        """Bytes in all channels and ranks, of the rows that kernels can address."""
        return self.ranks * self.compute_rows * self.stripe_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The host's part in kernels and transfers, which no simulator covers.

    `sync_s` is the time of each hand-over between host and memory. `flush_bytes_per_s` is the rate
    at which the host converts the values of a transfer and flushes them from its caches,
    `reduce_bytes_per_s` the rate at which it adds up the lanes of partial sums.
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
    """Choices between kernels.

    With `tree` a product stores the sums of every input tile and the host adds them up (tree.py);
    with `split` several channels share each output where that is faster (placement.py).
    """

    tree: bool
    split: bool


def _refuse_below(least: int, parameters: Timing | Geometry) -> None:
    for field in fields(parameters):
        value = getattr(parameters, field.name)
        if field.type is int and value < least:
            _refuse(field.name, f"{value} is less than {least}")


def _refuse(name: str, problem: str) -> None:
    """Raise DeviceError about parameter `name`; `Preset.explaining` adds the preset's file."""
    raise DeviceError(problem, where=name)
