"""The README and the pages of the documentation, and what stands in their code blocks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.repository import ROOT

DOCS = ROOT / "docs"

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)

#: Commands that are not run by the tests, and why.
_NOT_RUN = {
    "source .venv": "the commands already run in this environment",
    "git clone": "needs the address of a repository; CI starts from a clone",
    "make ": "sets a machine up and runs everything, these tests included",
}


@dataclass(frozen=True, slots=True)
class Block:
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """`shown` is what the page says that it prints: empty where it does not, and `...` stands for
    what differs from run to run."""

    text: str
    shown: str

    def fits(self, printed: str) -> bool:
        pattern = ".*".join(map(re.escape, self.shown.strip().split("...")))
        return not self.shown or re.fullmatch(pattern, printed.strip()) is not None


def blocks(page: Path) -> list[Block]:
    return [Block(m["language"], m["text"]) for m in _FENCE.finditer(page.read_text("utf-8"))]


def commands(text: str) -> Iterator[Command]:
    """Those of a console block that the tests run."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        if not any(word in f"$ {command}" for word in _NOT_RUN):
            yield Command(command, shown)


def commands_of(page: Path) -> list[Command]:
    consoles = (block for block in blocks(page) if block.language == "console")
    return [command for block in consoles for command in commands(block.text)]


PAGES = [page for page in (ROOT / "README.md", *sorted(DOCS.rglob("*.md"))) if blocks(page)]
