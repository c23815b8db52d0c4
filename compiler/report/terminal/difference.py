"""The difference of two plans in the terminal."""

from collections.abc import Sequence

from rich.console import Console, Group
from rich.text import Text

from stagecut.compiler.ir.units import size
from stagecut.compiler.report import wording
from stagecut.compiler.report.model.content import Figure
from stagecut.compiler.report.model.difference import AmountChange, Difference, Move, TimeChange
from stagecut.compiler.report.terminal.grid import Column, grid


def print_difference(difference: Difference, console: Console) -> None:
    """What moved, and what that did to time, copies and memory; nothing is cut."""
    console.print(Text(_headline(difference), style="bold"))
    console.print()
    both_sides: tuple[TimeChange | AmountChange, ...] = (*difference.times, *difference.amounts)
    changes = [change for change in both_sides if change.before != change.after]
    if changes:
        console.print(_changes(changes, console.width))
    if difference.moves:
        console.print(_moves(difference.moves, console.width))
    if difference.copies_gone or difference.copies_new:
        console.print(_copies(difference))
    if difference.made_from:
        columns: tuple[Column[tuple[str, tuple[str, str]]], ...] = (
            Column("", lambda fact: fact[0]),
            Column("before", lambda fact: fact[1][0]),
            Column("after", lambda fact: fact[1][1]),
        )
        facts = difference.made_from.items()
        console.print(grid("Made from", columns, facts, console.width))


def _headline(difference: Difference) -> str:
    before, after = difference.times[0].before, difference.times[0].after
    times = wording.time(before)
    if before != after:
        by = wording.difference(before, after)
        times += f" → {wording.time(after)}" + (f" ({by})" if by else "")
    if not difference.decided_otherwise:
        return f"{times}; everything runs where it ran"
    moved = len(difference.moves)
    return f"{times}; {wording.count(moved, 'node')} moved" if moved else f"{times}; other copies"


def _changes(changes: Sequence[TimeChange | AmountChange], width: int) -> Group:
    columns: tuple[Column[TimeChange | AmountChange], ...] = (
        Column("", lambda row: row.what),
        Column("before", lambda row: _texts(row)[0], number=True),
        Column("after", lambda row: _texts(row)[1], number=True),
        Column("change", lambda row: _texts(row)[2], number=True),
    )
    return grid("What it did", columns, changes, width)


def _texts(row: TimeChange | AmountChange) -> tuple[str, str, str]:
    """Before, after, and the change between them."""
    if isinstance(row, TimeChange):
        by_s = row.after.time_s - row.before.time_s
        by = Figure(abs(by_s), Figure.total((row.before, row.after)).basis)
        return wording.time(row.before), wording.time(row.after), _signed(wording.time(by), by_s)
    amount = size if row.unit == "bytes" else "{:,}".format
    more = row.after - row.before
    return amount(row.before), amount(row.after), _signed(amount(abs(more)), more)


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


def _copies(difference: Difference) -> Group:
    gone = (Text(f"- {wording.shorten(copy, 70)}") for copy in difference.copies_gone)
    new = (Text(f"+ {wording.shorten(copy, 70)}") for copy in difference.copies_new)
    return Group(Text("Copies", style="bold"), *gone, *new, Text())
