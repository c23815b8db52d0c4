"""The parameters of a GDDR6-AiM preset: DRAM timing, geometry, energy, and the host's part.

Fields of `Timing` have the names of the vendor's simulator in lower case. Constructors raise
DeviceError, with the name of the parameter and the reason, for what the model does not cover.
"""

from dataclasses import dataclass, fields

from stagecut.compiler.ir.errors import DeviceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Clock cycles between DRAM commands; `tck_s` is the length of a cycle in seconds.

    Each parameter is explained, with its source, in presets/aim.toml.
    """

    tck_s: float
    nbl: int
    ncl: int
    ncwl: int
    nclreg: int
    ncwlreg: int
    nwpre: int
    nccd: int
    nmodch: int
    nrcdrdmac: int
    nrcdewmul: int
    nrcdrdaf: int
    nrcdrd: int
    nrcdwr: int
    nras: int
    nrp: int
    nrtp: int
    nwr: int
    nrefi: int
    nrfc: int
    refresh: bool

    def __post_init__(self) -> None:
        _refuse_below(0, self)
        if self.tck_s <= 0:
            _refuse("tCK_s", f"a cycle of {self.tck_s:g} s takes no time")
        if not self.column:
            _refuse("nCCD", "column commands that take no time would never fill a cycle")
        if self.nras < self.nrcdrd:
            _refuse("nRAS", f"{self.nras} closes a row before nRCDRD = {self.nrcdrd} opens it")
        if self.nras > self.nrcdrdmac + self.nmodch:
            _refuse(
                "nRAS",
                f"{self.nras} holds rows for longer than a sweep, nRCDRDMAC + nMODCH, may take",
            )
        if self.refresh and self.nrefi <= self.nrfc + self.nrp + self.nrcdrdmac:
            _refuse("nREFI", f"{self.nrefi} leaves no time to work between refreshes")

    @property
    def column(self) -> int:
        """From one column command to the next, whose burst finds the data bus free."""
        return max(self.nccd, self.nbl)


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """Numbers of channels, banks and rows, and sizes in bytes.

    Bank groups and the buffer are those of a channel, `rows` those of a bank.
    """

    channels: int
    bank_groups: int
    banks_per_group: int
    rows: int
    row_bytes: int
    burst_bytes: int
    buffer_bytes: int

    def __post_init__(self) -> None:
        _refuse_below(1, self)
        if self.burst_bytes % 2:
            _refuse("burst_bytes", f"{self.burst_bytes} does not hold whole 16-bit lanes")
        if self.row_bytes % self.burst_bytes:
            _refuse("row_bytes", f"{self.row_bytes} is not a multiple of burst_bytes")
        if self.buffer_bytes != self.row_bytes:
            _refuse("buffer_bytes", f"{self.buffer_bytes} is not a row, which sweeps go along")

    @property
    def banks(self) -> int:
        return self.bank_groups * self.banks_per_group

    @property
    def lanes(self) -> int:
        """16-bit numbers in a burst, which a bank multiplies at once."""
        return self.burst_bytes // 2

    @property
    def outputs(self) -> int:
        """Outputs of one pass: a sum in each bank of each channel."""
        return self.channels * self.banks

    @property
    def row_elements(self) -> int:
        return self.row_bytes // 2

    @property
    def stripe_bytes(self) -> int:
        """The same row of every bank of every channel: the unit in which memory is allocated."""
        return self.outputs * self.row_bytes

    @property
    def capacity_bytes(self) -> int:
        return self.rows * self.stripe_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The host's part in kernels and transfers, which no simulator covers.

    `sync_s` is the time of each hand-over between host and memory, `flush_bytes_per_s` the rate at
    which the host converts the values of a transfer and flushes them from its caches.
    """

    sync_s: float
    flush_bytes_per_s: float

    def __post_init__(self) -> None:
        if self.sync_s < 0:
            _refuse("sync_s", f"{self.sync_s:g} would gain time")
        if self.flush_bytes_per_s <= 0:
            _refuse("flush_bytes_per_s", f"nothing ever finishes at {self.flush_bytes_per_s:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """Joules of a command in one bank and of a bit on the data pins; watts.

    `standby_w` is the power of a channel with open rows, `host_w` that of the host.
    """

    act_j: float
    rd_j: float
    wr_j: float
    mac_j: float
    dq_j_per_bit: float
    standby_w: float
    host_w: float

    def __post_init__(self) -> None:
        for field in fields(self):
            number = getattr(self, field.name)
            if number < 0:
                _refuse(field.name, f"{number:g} would gain energy")


def _refuse_below(least: int, parameters: Timing | Geometry) -> None:
    for field in fields(parameters):
        value = getattr(parameters, field.name)
        if field.type is int and value < least:
            _refuse(field.name, f"{value} is less than {least}")


def _refuse(name: str, problem: str) -> None:
    """Raise DeviceError about parameter `name`; `Preset.explaining` adds the preset's file."""
    raise DeviceError(problem, where=name)
