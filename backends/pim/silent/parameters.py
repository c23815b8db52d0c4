"""The parameters of a Silent-PIM preset: rates, since its DRAM timing is not published.

Field names are those of the preset in lower case. Constructors raise DeviceError, with the name of
the parameter and the reason, for what the model does not cover.
"""

from dataclasses import dataclass, fields

from stagecut.compiler.ir.errors import DeviceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Bytes in a second of products (`weight_`), element-wise passes and transpositions.

    `offload_s` is the time to hand a descriptor to the memory; `tck_s` only turns seconds into
    cycles.
    """

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
    """Sizes, and the padding of weights.

    Rows of a weight are padded to a multiple of `align_elements`; rows longer than that, to a
    multiple of `wide_align_elements`.
    """

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
        """Numbers in a row of a weight of `elements` numbers, padding included."""
        short = elements <= self.align_elements
        step = self.align_elements if short else self.wide_align_elements
        return -(-elements // step) * step


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """A transfer takes a fixed time and a time for each number, conversion to bf16 included."""

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
    """Joules of an ACT with its PRE (`row_j`), a RD and a WR; watts of the host that waits."""

    row_j: float
    rd_j: float
    wr_j: float
    host_w: float

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 0:
                _refuse(field.name, f"{getattr(self, field.name):g} would gain energy")


def _refuse(name: str, problem: str) -> None:
    """Raise DeviceError about parameter `name`; `Preset.explaining` adds the preset's file."""
    raise DeviceError(problem, where=name)
