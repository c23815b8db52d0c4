"""The tables of the terminal report."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group
from rich.text import Text

from stagecut.compiler.ir.units import seconds, size
from stagecut.compiler.report import wording
from stagecut.compiler.report.model.figures import Figure
from stagecut.compiler.report.model.rows import (
    Call,
    ContenderRow,
    EntryRow,
    NodeRow,
    Option,
    StageRow,
    TransferRow,
)
from stagecut.compiler.report.terminal.grid import Cell, Column, grid, label, plain

_STYLES = ("bright_blue", "yellow", "bright_magenta", "green", "cyan", "bright_red")


@dataclass(frozen=True, slots=True)
class Tables:
    """Draws tables for a terminal of `width` characters; `devices` are those of the machine."""

    devices: tuple[str, ...]
    width: int

    def device(self, name: str) -> Text:
        """The name in the device's colour."""
        style = _STYLES[self.devices.index(name) % len(_STYLES)]
        return label(name, style)

    def stages(self, stages: Sequence[StageRow]) -> Group:
        columns: tuple[Column[StageRow], ...] = (
            Column("#", lambda row: str(row.index), number=True),
            Column("device", lambda row: self.device(row.device)),
            Column("nodes", lambda row: str(len(row.nodes)), number=True, from_width=50),
            Column("observed", lambda row: wording.time(row.observed), number=True),
            *_foretold(stages),
            Column("off by", wording.off_by, number=True, from_width=60),
            Column("share", lambda row: wording.percent(row.share), number=True, from_width=60),
            *_of_peak(stages),
            Column("comes in", _transferred_in, number=True, from_width=80),
        )
        return grid("Stages", columns, stages, self.width)

    def entries(self, entries: Sequence[EntryRow]) -> Group:
        """A decoder's, with the modelled ones marked."""
        columns: tuple[Column[EntryRow], ...] = (
            Column("entry", lambda row: row.entry),
            Column("measured with", lambda row: row.sizes, from_width=50),
            Column("observed", lambda row: wording.time(row.observed), number=True),
            Column("predicted", lambda row: wording.time(row.predicted), number=True),
            Column("proven", lambda row: wording.proven(row.gap), from_width=90),
            Column("runs on", lambda row: plain(wording.nodes_by_device(row.devices))),
        )
        return grid("Entries", columns, entries, self.width)

    def contenders(self, contenders: Sequence[ContenderRow]) -> Group:
        measured = any(row.cpu_s is not None for row in contenders)
        cpu_time = [Column("CPU time", _cpu_time, number=True, from_width=100)] if measured else []
        columns: tuple[Column[ContenderRow], ...] = (
            Column("plan", _contender),
            Column("stages", lambda row: str(row.stages), number=True, from_width=50),
            Column("median", lambda row: _time(row, row.median_s), number=True),
            Column("95 % within", wording.interval, number=True, from_width=70),
            *cpu_time,
            Column("runs", lambda row: str(row.runs) if row.runs else "added up", number=True),
            Column("", lambda row: plain(wording.remark(row)), from_width=60),
        )
        return grid("Contenders", columns, contenders, self.width)

    def transfers(self, transfers: Sequence[TransferRow]) -> Group:
        columns: tuple[Column[TransferRow], ...] = (
            Column("value", lambda row: row.value),
            Column("from", lambda row: row.source, from_width=60),
            Column("to", lambda row: row.target, from_width=60),
            Column("before", _before, from_width=80),
            Column("size", lambda row: size(row.size_bytes), number=True),
            Column("observed", lambda row: wording.time(row.observed), number=True, from_width=70),
            Column("predicted", lambda row: wording.time(row.predicted), number=True),
        )
        return grid("Transfers between memories", columns, transfers, self.width)

    def nodes(self, title: str, nodes: Sequence[NodeRow]) -> Group:
        """Each node's time on every device, or only where it runs if there is no room for all."""
        room_for_all = 36 + 14 * len(self.devices)
        times: tuple[Column[NodeRow], ...] = (
            tuple(_on_device(index, name) for index, name in enumerate(self.devices))
            if self.width >= room_for_all
            else (Column("takes", lambda row: wording.time(row.run), number=True),)
        )
        columns: tuple[Column[NodeRow], ...] = (
            Column("node", lambda row: row.name),
            Column("operator", lambda row: row.op, from_width=room_for_all + 20),
            Column("runs on", lambda row: self.device(row.device)),
            *times,
        )
        return grid(title, columns, nodes, self.width)

    def calls(self, calls: Sequence[Call]) -> Group:
        """The choices in which moving a node would cost the plan least."""
        columns: tuple[Column[Call], ...] = (
            Column("operator", lambda row: row.op, from_width=50),
            Column("closest node", lambda row: row.node),
            Column("of", lambda row: str(row.nodes), number=True, from_width=50),
            Column("is on", lambda row: self.device(row.device), from_width=70),
            Column("might be on", lambda row: self.device(row.option.device)),
            Column("would add", lambda row: wording.added(row.option), number=True),
            Column("", lambda row: wording.flips(row.option), from_width=90),
        )
        below = any((call.option.extra_s or 0) < 0 for call in calls)
        title = f"Closest decisions{' (below zero: better, by the costs alone)' if below else ''}"
        return grid(title, columns, calls, self.width)

    def options(self, node: NodeRow) -> Group:
        """A node's time on every device, what the plan would add there, and why it is not there."""
        columns: tuple[Column[Option], ...] = (
            Column("device", lambda row: self.device(row.device)),
            Column("takes", lambda row: wording.time(row.run), number=True),
            Column("would add", wording.added, number=True),
            Column("", lambda row: plain(wording.why(row, node.device))),
        )
        return grid("On each device", columns, node.options, self.width)


def _foretold(stages: Sequence[StageRow]) -> Sequence[Column[StageRow]]:
    """What an observed time is compared with comes first, and has room in any window."""
    traced = any(stage.as_built for stage in stages)
    room = 90 if traced else 0
    predicted: Column[StageRow] = Column(
        "predicted", lambda row: wording.time(row.predicted), number=True, from_width=room
    )
    as_built: Column[StageRow] = Column(
        "as built", lambda row: wording.time(row.as_built), number=True
    )
    return (as_built, predicted) if traced else (predicted,)


def _of_peak(stages: Sequence[StageRow]) -> Sequence[Column[StageRow]]:
    """Where a device's peak is known."""
    if all(row.utilisation is None for row in stages):
        return ()
    return (Column("of peak", wording.utilisation, number=True, from_width=90),)


def _transferred_in(row: StageRow) -> Cell:
    return size(row.transferred_in_bytes) if row.transfers_in else ""


def _contender(row: ContenderRow) -> Cell:
    return label(f"{row.name} (ships)", "bold") if row.chosen else row.name


def _cpu_time(row: ContenderRow) -> Cell:
    return "" if row.cpu_s is None else seconds(row.cpu_s)


def _time(row: ContenderRow, time_s: float) -> str:
    return wording.time(Figure(time_s, row.basis))


def _before(row: TransferRow) -> Cell:
    return "the end" if row.before is None else f"stage {row.before}"


def _on_device(index: int, device: str) -> Column[NodeRow]:
    def text(row: NodeRow) -> Cell:
        return wording.time(row.options[index].run) or "–"

    return Column(device, text, number=True)
