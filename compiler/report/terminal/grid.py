"""Tables for a terminal: plain text in every cell, fewer columns where there is little room."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.style import Style
from rich.table import Table
from rich.text import Text

from stagecut.compiler.ir.text import printable
from stagecut.compiler.report import wording

Row = TypeVar("Row")
Cell: TypeAlias = str | Text

_LONGEST = 40
LEFT: Literal["left"] = "left"
RIGHT: Literal["right"] = "right"


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """A heading, and the text for each row: a string is cut to one line, a Text may take several.

    Numbers are set flush right. The column is left out where the terminal is narrower than
    `from_width` characters.
    """

    heading: str
    text: Callable[[Row], Cell]
    number: bool = False
    from_width: int = 0


def plain(text: str, style: str | Style = "") -> Text:
    """`text` as one line of a terminal; what looks like markup in it stays what it is."""
    return Text(printable(text), style=style)


def grid(title: str, columns: Sequence[Column[Row]], rows: Iterable[Row], width: int) -> Group:
    """A titled table for a terminal of `width` characters."""
    shown = [column for column in columns if column.from_width <= width]
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim")
    for column in shown:
        # where room is short, columns that may wrap give way first; names end in … instead
        justify = RIGHT if column.number else LEFT
        table.add_column(plain(column.heading), justify=justify, no_wrap=column.number)
    for row in rows:
        table.add_row(*(_cell(column.text(row)) for column in shown))
    return Group(plain(title, "bold"), table, Text())


def label(text: str, style: str = "") -> Text:
    """One line, cut to fit; what looks like markup in it stays what it is."""
    return Text(wording.shorten(text, _LONGEST), style=style, no_wrap=True, overflow="ellipsis")


def _cell(cell: Cell) -> Text:
    return label(cell) if isinstance(cell, str) else cell
