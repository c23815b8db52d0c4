"""Cost tables that a command is given: in files of their own, or in plans made of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from stagecut.compiler.cli.output import note
from stagecut.compiler.ir.errors import UsageError

if TYPE_CHECKING:
    from stagecut.compiler.formats.plan_file import StoredVariant
    from stagecut.compiler.frontends.shapes import Shapes
    from stagecut.compiler.ir.costs import CostTable
    from stagecut.compiler.ir.costs_by_length import CostsByLength

#: With this, archives begin, and so plans.
_ARCHIVE = b"PK\x03\x04"


@dataclass(frozen=True)
class Given:
    """A file that a command is given; `variant` is one of a plan, None of a table. Unless said, it
    is the first, of a decoder's plan that of its step, which runs for each token."""

    path: Path
    variant: "StoredVariant | None"

    @classmethod
    def read(cls, path: Path, shapes: "Shapes | None" = None) -> "Given":
        """The variant of a plan that was profiled with `shapes`, where any are asked for; of a
        decoder's plan, a note says which entry's it is. Raises PlanError for a plan that is not
        whole, ShapeError for other shapes."""
        if not _begins_as_archives_do(path):
            return cls(path, None)
        from stagecut.compiler.formats.plan_file import Plan
        from stagecut.compiler.ir.state import DECODE

        plan = Plan.load(path)
        if plan.decoding is None:
            return cls(path, plan.variant(shapes or {}))
        variant = plan.variant(shapes) if shapes else plan.entry_named(DECODE).variants[0]
        profiled = variant.planned.profiled
        note(f"{path.name}: the costs are those of its entry {variant.entry}, at {profiled}")
        return cls(path, variant)

    @classmethod
    def every(cls, path: Path) -> "tuple[Given, ...]":
        """As `read`, with each variant of a plan."""
        if not _begins_as_archives_do(path):
            return (cls(path, None),)
        from stagecut.compiler.formats.plan_file import Plan

        return tuple(cls(path, variant) for variant in Plan.load(path).variants)

    def table(self, length: int | None = None) -> "CostTable":
        """The table in the file, or the plan's own; of costs by length, the one at `length`.

        Raises CostTableError, and UsageError for a length where there are no costs by length, or
        for none where there are.
        """
        return self.at(self.by_length(() if length is None else (length,)), length)

    def by_length(self, lengths: Sequence[int]) -> "CostsByLength | None":
        """The costs by length in the file; None where it holds one table, of which no `lengths` can
        be asked. Raises CostTableError and UsageError."""
        from stagecut.compiler.formats import costs_by_length_json as by_length

        if self.variant is None and by_length.is_by_length(self._source):
            return by_length.read_costs_by_length(self._source)
        if lengths:
            raise UsageError(
                "says nothing of lengths",
                where=str(self.path),
                fix="leave --length out, or give what `stagecut profile --length` writes",
            )
        return None

    def at(self, costs: "CostsByLength | None", length: int | None) -> "CostTable":
        """As `table`, where `costs` are what `by_length` has read."""
        from stagecut.compiler.formats.costs_json import read_costs

        if costs is not None:
            return costs.at(_said(length, costs))
        return read_costs(self._source if self.variant is None else self.variant.costs)

    @cached_property
    def _source(self) -> Path | bytes:
        """Where the table is: of a pipe, which can be read but once, what came out of it."""
        piped = _piped(self.path)
        return self.path if piped is None else piped

    @property
    def rules(self) -> tuple[list[str], list[str]]:
        """The pins and the forbidden places that a plan was made with; none for a table."""
        if self.variant is None:
            return [], []
        options = self.variant.planned.provenance.options
        pins, forbids = (options.get(name, "") for name in ("pin", "forbid"))
        return [*filter(None, pins.split(", "))], [*filter(None, forbids.split(", "))]


def _said(length: int | None, costs: "CostsByLength") -> int:
    if length is None:
        raise UsageError(
            f"costs are known from {costs.low} to {costs.high} tokens",
            where="--length",
            fix="say behind how many the step lies; `stagecut sweep` goes through them all",
        )
    return length


def _piped(path: Path) -> bytes | None:
    """None for a file, and for what cannot be read: who reads it says why."""
    from stagecut.compiler.formats.whole_file import read_whole

    try:
        return None if path.is_file() or path.is_dir() else read_whole(path)
    except OSError:
        return None


def _begins_as_archives_do(path: Path) -> bool:
    """False for a file that cannot be read, too: who reads it says why."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(_ARCHIVE)) == _ARCHIVE
    except OSError:
        return False
