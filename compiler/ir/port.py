"""A tensor at a border: of the plan, or of a stage."""

from dataclasses import dataclass, field

from stagecut.compiler.ir.amounts import Size
from stagecut.compiler.ir.graph import Dims


@dataclass(frozen=True, slots=True)
class Port:
    """A tensor at a border: of the plan, or of a stage.

    `shape` is the profiled one. `dims` are what the model declares, with a name or "?" for each
    dimension that it leaves open; empty where it leaves none open.
    """

    name: str
    dtype: str
    shape: tuple[Size, ...]
    dims: Dims = field(default=(), kw_only=True)

    @property
    def declared(self) -> Dims:
        """Every dimension, those that are open by their names."""
        return self.dims or self.shape


@dataclass(frozen=True, slots=True)
class InputPort(Port):
    """An input of the plan; `low` and `high` are the range of the values it was profiled with.

    `value` is what stages call it where the model hands it back, too; empty elsewhere. One that is
    `optional` has a default, which the plan holds.
    """

    low: float = 0.0
    high: float = 1.0
    value: str = ""
    optional: bool = False

    @property
    def inside(self) -> str:
        """Its name in the stages."""
        return self.value or self.name
