"""Cost tables that a command is given: in files of their own, or in plans made of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stagecut.compiler.formats.plan_file import StoredVariant
    from stagecut.compiler.ir.costs import CostTable

#: With this, archives begin, and so plans.
_ARCHIVE = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class Given:
    """A file that a command is given; `variant` is one of a plan, the first unless said, None
    of a table."""

    path: Path
    variant: "StoredVariant | None"

    @classmethod
    def read(cls, path: Path) -> "Given":
        """Raises PlanError for a plan that is not whole."""
        return cls.every(path)[0]

    @classmethod
    def every(cls, path: Path) -> "tuple[Given, ...]":
        """As `read`, with each variant of a plan."""
        from stagecut.compiler.formats.plan_file import Plan

        if not _begins_as_archives_do(path):
            return (cls(path, None),)
        return tuple(cls(path, variant) for variant in Plan.load(path).variants)

    def table(self) -> "CostTable":
        """The table in the file, or the plan's own; raises CostTableError."""
        from stagecut.compiler.formats.costs_json import read_costs

        return read_costs(self.path if self.variant is None else self.variant.costs)

    @property
    def rules(self) -> tuple[list[str], list[str]]:
        """The pins and the forbidden places that a plan was made with; none for a table."""
        if self.variant is None:
            return [], []
        options = self.variant.planned.provenance.options
        pins, forbids = (options.get(name, "") for name in ("pin", "forbid"))
        return [*filter(None, pins.split(", "))], [*filter(None, forbids.split(", "))]


def _begins_as_archives_do(path: Path) -> bool:
    """False for a file that cannot be read, too: who reads it says why."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(_ARCHIVE)) == _ARCHIVE
    except OSError:
        return False
