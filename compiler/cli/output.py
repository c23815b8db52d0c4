"""What commands print: JSON in one envelope on standard output, progress on standard error."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from stagecut.compiler.ir.device import Progress

Item = TypeVar("Item")


def print_json(schema: str, document: Mapping[str, object]) -> None:
    """The envelope of every command: `{"schema": "stagecut.compile/1", ...}`."""
    sys.stdout.write(json_text({"schema": schema, **document}))


def json_text(document: object) -> str:
    """Indented JSON; a number that JSON does not have (NaN, infinity) is a bug of ours."""
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def progress_bars() -> "Progress":
    """Bars on standard error; nothing when that is not a terminal."""
    from stagecut.compiler.ir.device import silent

    return _bar if sys.stderr.isatty() else silent


def _bar(items: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
    from rich.console import Console
    from rich.progress import track

    if total is None and isinstance(items, Sequence):
        total = len(items)
    console = Console(stderr=True)
    return iter(track(items, label, total=total, console=console, transient=True))
