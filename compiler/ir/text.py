"""Text for people that several rooms need: names that only show, suggestions, and shapes."""

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from html import escape


def printable(text: str) -> str:
    """`text` as one line that a terminal shows and does not obey: names come from files of others.

    White space of any kind becomes a blank. Escape sequences, other control characters, those that
    turn the direction of writing, and what is no character lose their power: each becomes U+FFFD.
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(letter: str) -> str:
    if letter.isprintable():
        return letter
    return " " if letter.isspace() else "\N{REPLACEMENT CHARACTER}"


def path_text(path: str | os.PathLike[str]) -> str:
    """A path as a name that can be written down: names of files may be no text, those of models
    are."""
    return os.fsencode(path).decode("utf-8", "replace")


def suggestion(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """`did you mean 'relu'?` for the known name nearest to `name`, followed by `otherwise`."""
    near = difflib.get_close_matches(name, [*known], n=1)
    return " ".join(filter(None, (f"did you mean {near[0]!r}?" if near else "", otherwise)))


#: So many rows of a table are shown in a notebook.
_MOST_ROWS = 20


def html_table(caption: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table as notebooks show it, cut to its first rows; names in it stay text."""

    def line(cells: Iterable[object], tag: str) -> str:
        texts = (escape(printable(str(cell))) for cell in cells)
        return f"<tr>{''.join(f'<{tag}>{text}</{tag}>' for text in texts)}</tr>"

    shown = "".join(line(row, "td") for row in rows[:_MOST_ROWS])
    more = len(rows) - _MOST_ROWS
    rest = line([f"… and {more:,} more"], "td") if more > 0 else ""
    title = f"<caption>{escape(printable(caption))}</caption>"
    return f"<table>{title}<thead>{line(head, 'th')}</thead><tbody>{shown}{rest}</tbody></table>"


def size_text(shape: Sequence[int | str]) -> str:
    """`(1, 128)` -> `1x128`; `scalar` where there is no dimension."""
    return "x".join(map(str, shape)) if shape else "scalar"


def shape_text(shapes: Mapping[str, Sequence[int | str]]) -> str:
    """`{"ids": (1, 128)}` -> `ids 1x128`."""
    return ", ".join(f"{name} {size_text(shape)}" for name, shape in shapes.items())
