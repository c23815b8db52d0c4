"""The difference of two plans in the terminal."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from rich.console import Console, Group
from rich.text import Text

from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.units import size
from stagecut.compiler.report import wording
from stagecut.compiler.report.model.difference import (
    WHOLE,
    AmountChange,
    Difference,
    ErrorChange,
    Move,
    PlannedTransfer,
    TimeChange,
)
from stagecut.compiler.report.model.figures import Figure
from stagecut.compiler.report.terminal.grid import Column, grid, plain

#: What both plans have, with a figure for each.
Change: TypeAlias = TimeChange | ErrorChange | AmountChange


def print_difference(difference: Difference, console: Console) -> None:
    """What moved, and what that did to time, transfers and memory; nothing is cut."""
    console.print(plain(_headline(difference), "bold"))
    console.print()
    both_sides: tuple[Change, ...] = (*difference.times, *difference.errors, *difference.amounts)
    changes = [change for change in both_sides if change.before != change.after]
    if changes:
        console.print(_changes(changes, console.width))
    if difference.moves:
        console.print(_moves(difference.moves, console.width))
    if difference.stages_gone or difference.stages_new:
        stages = map(_stage, difference.stages_gone), map(_stage, difference.stages_new)
        console.print(_gone_and_new("Stages", *stages))
    if difference.transfers_gone or difference.transfers_new:
        gone, new = difference.transfers_gone, difference.transfers_new
        console.print(_gone_and_new("Transfers", map(_transfer, gone), map(_transfer, new)))
    if difference.made_from:
        columns: tuple[Column[tuple[str, tuple[str, str]]], ...] = (
            Column("", lambda fact: fact[0]),
            Column("before", lambda fact: fact[1][0]),
            Column("after", lambda fact: fact[1][1]),
        )
        facts = difference.made_from.items()
        console.print(grid("Made from", columns, facts, console.width))


def _headline(difference: Difference) -> str:
    """The whole plan's times, what was observed first, and whether anything was decided anew."""
    whole = [change for change in difference.times if change.what == WHOLE]
    times = ", ".join(map(_times, whole))
    if difference.noise and whole[0].before != whole[0].after:
        times += "; what was observed differs by no more than noise"
    moved = len(difference.moves)
    if moved:
        return f"{times}; {wording.count(moved, 'node')} moved"
    if difference.stages_gone or difference.stages_new:
        return f"{times}; other stages"
    if difference.reordered:
        return f"{times}; the same stages in another order"
    if difference.decided_otherwise:
        return f"{times}; other transfers"
    return f"{times}; everything runs where it ran"


def _times(change: TimeChange) -> str:
    before, after = change.before, change.after
    if before == after:
        return f"{wording.time(before)} {change.source}"
    by = wording.difference(before, after)
    arrow = f"{wording.time(before)} → {wording.time(after)} {change.source}"
    return f"{arrow} ({by})" if by else arrow


def _changes(changes: Sequence[Change], width: int) -> Group:
    columns: tuple[Column[Change], ...] = (
        Column("", _what),
        Column("before", lambda row: _texts(row)[0], number=True),
        Column("after", lambda row: _texts(row)[1], number=True),
        Column("change", lambda row: _texts(row)[2], number=True),
    )
    return grid("What it did", columns, changes, width)


def _what(row: Change) -> str:
    """All times but the whole plan's are predictions."""
    if isinstance(row, TimeChange) and row.what == WHOLE:
        return f"{row.what}, {row.source}"
    return row.what


def _texts(row: Change) -> tuple[str, str, str]:
    """Before, after, and the change between them."""
    if isinstance(row, TimeChange):
        by_s = row.after.time_s - row.before.time_s
        by = Figure(abs(by_s), Figure.total((row.before, row.after)).basis)
        return wording.time(row.before), wording.time(row.after), _signed(wording.time(by), by_s)
    if isinstance(row, ErrorChange):
        return _error(row.before), _error(row.after), ""
    amount = size if row.unit == "bytes" else "{:,}".format
    more = row.after - row.before
    return amount(row.before), amount(row.after), _signed(amount(abs(more)), more)


def _error(part: float | None) -> str:
    return "not known" if part is None else wording.percent_of(part)


def _signed(text: str, amount: float) -> str:
    return f"{'+' if amount > 0 else '−'}{text}"


def _moves(moves: Sequence[Move], width: int) -> Group:
    columns: tuple[Column[Move], ...] = (
        Column("node", lambda row: row.node),
        Column("operator", lambda row: row.op, from_width=60),
        Column("before", lambda row: row.before or "not there"),
        Column("after", lambda row: row.after or "not there"),
    )
    return grid("What moved", columns, moves, width)


def _stage(stage: Stage) -> str:
    first, *others = stage.nodes
    device, nodes = wording.brief(stage.device), wording.count(len(stage.nodes), "node")
    last = f" … {wording.brief(others[-1])}" if others else ""
    return f"{device}: {wording.brief(first)}{last}, {nodes}"


def _transfer(transfer: PlannedTransfer) -> str:
    way = wording.route(f"{transfer.source}>{transfer.target}")
    return f"{wording.brief(transfer.value)}: {way}"


def _gone_and_new(title: str, gone: Iterable[str], new: Iterable[str]) -> Group:
    lines = (*(f"- {text}" for text in gone), *(f"+ {text}" for text in new))
    return Group(plain(title, "bold"), *map(plain, lines), Text())
