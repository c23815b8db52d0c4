"""What each command of the site prints, below the command: as the tests have kept it.

`make outputs` runs every command of every page and keeps what it prints in docs/outputs; the times
in it are never twice the same, so it is made anew only on request.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

from mkdocs.structure.pages import Page

FOLDER = Path(__file__).with_name("outputs")

_CONSOLE = re.compile(r"^```console\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


class Kept(TypedDict):
    """A command and what it prints on standard output."""

    command: str
    output: str


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Called by MkDocs for each page before it is rendered."""
    kept = kept_of(Path(page.file.src_path))
    return with_outputs(markdown, kept) if kept else markdown


def kept_of(page: Path) -> list[Kept]:
    """The commands of a page, by its path within the documentation, in their order."""
    path = (FOLDER / page).with_suffix(".json")
    kept: list[Kept] = json.loads(path.read_text("utf-8")) if path.is_file() else []
    return kept


def with_outputs(markdown: str, kept: list[Kept]) -> str:
    """The page with what each command prints below it."""
    left = iter(kept)
    return _CONSOLE.sub(
        lambda m: "\n".join(("```console", *_lines(m["text"], left), "```")), markdown
    )


def _lines(text: str, left: Iterator[Kept]) -> Iterator[str]:
    for line in text.splitlines():
        yield line
        if line.startswith("$ "):
            command = next(left)
            if command["command"] != line.removeprefix("$ "):
                raise AssertionError(f"make outputs: {line} is not {command['command']}")
            yield from command["output"].splitlines()
