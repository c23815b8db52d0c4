"""What a Silent-PIM preset holds. The published traces give rates, not DRAM timing; so does this.

Field names are those of the preset in lower case; what makes no sense is refused with the reason.
"""

from dataclasses import dataclass, fields

from stagecut.compiler.ir.errors import DeviceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How fast weights and other numbers are gone through, and what a transposition costs."""

    tck_s: float
    weight_bytes_per_s: float
    pass_bytes_per_s: float
    transpose_bytes_per_s: float
    offload_s: float

    def __post_init__(self) -> None:
        for field in fields(self):
            number = getattr(self, field.name)
            if number < 0 or (number == 0 and field.name != "offload_s"):
                _refuse(field.name, f"nothing would ever finish at {number:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """`align_elements` is what short rows of a weight are padded to, `wide_align_elements` what
    longer ones are."""

    banks: int
    lanes: int
    align_elements: int
    wide_align_elements: int
    row_bytes: int
    burst_bytes: int
    capacity_bytes: int

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 1:
                _refuse(field.name, f"{getattr(self, field.name)} is less than 1")
        if self.lanes & (self.lanes - 1):
            _refuse("lanes", f"{self.lanes} is not a power of two")
        if self.wide_align_elements % self.align_elements:
            _refuse(
                "wide_align_elements",
                f"{self.wide_align_elements} is not a multiple of align_elements",
            )

    def padded(self, elements: int) -> int:
        """A row of a weight with its padding."""
        short = elements <= self.align_elements
        step = self.align_elements if short else self.wide_align_elements
        return -(-elements // step) * step


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """A copy takes its start and something for each number; conversion to 16 bits included."""

    to_memory_s: float
    to_memory_s_per_element: float
    to_host_s: float
    to_host_s_per_element: float

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 0:
                _refuse(field.name, f"{getattr(self, field.name):g} would gain time")


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """Joules of a command, and the power of the host that waits."""

    row_j: float
    rd_j: float
    wr_j: float
    host_w: float

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 0:
                _refuse(field.name, f"{getattr(self, field.name):g} would gain energy")


def _refuse(name: str, problem: str) -> None:
    """Whoever read the number knows where it came from, and adds that to the error."""
    raise DeviceError(problem, where=name)
