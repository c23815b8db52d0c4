"""Cost tables that a command is given: in files of their own, or in plans made of them."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stagecut.compiler.formats.plan_file import StoredVariant
    from stagecut.compiler.ir.costs import CostTable

#: With this, archives begin, and so plans.
_ARCHIVE = b"PK\x03\x04"


def read_table(path: Path) -> "CostTable":
    """The table in a file, or that of a plan's first variant; raises CostTableError or
    PlanError."""
    from stagecut.compiler.formats.costs_json import read_costs

    variant = plan_variant(path)
    return read_costs(path if variant is None else variant.costs)


def rules_of(path: Path) -> tuple[list[str], list[str]]:
    """The pins and the forbidden places that a plan was made with; none for a table."""
    variant = plan_variant(path)
    if variant is None:
        return [], []
    options = variant.planned.provenance.options
    pins, forbids = (options.get(name, "") for name in ("pin", "forbid"))
    return [*filter(None, pins.split(", "))], [*filter(None, forbids.split(", "))]


def plan_variant(path: Path) -> "StoredVariant | None":
    """The first variant, where the file is a plan; raises PlanError for one that is not whole."""
    from stagecut.compiler.formats.plan_file import Plan

    return Plan.load(path).first if _begins_as_archives_do(path) else None


def _begins_as_archives_do(path: Path) -> bool:
    """False for a file that cannot be read, too: who reads it says why."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(_ARCHIVE)) == _ARCHIVE
    except OSError:
        return False
