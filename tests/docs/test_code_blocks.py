"""Every code block in the README and the documentation is run, page by page, in the order given.

console    commands after `$ `, in a shell; each has to succeed
python     in the page's own namespace, in the page's own folder
json       read; what calls itself a cost table has to be one
toml       read
text       shown, not run: trees, diagrams, templates of commands
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from stagecut.compiler.formats.costs_json import SCHEMA, read_costs
from tests.support.repository import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)

#: Commands that are not run here, and why.
_NOT_RUN = {
    "source .venv": "the commands already run in this environment",
    "git clone": "needs the address of a repository; CI starts from a clone",
    "make ": "sets a machine up and runs everything, these tests included",
}


#: So many lines of what a command prints are shown on the site.
_MOST_LINES = 40


@dataclass(frozen=True, slots=True)
class Block:
    language: str
    text: str


def _blocks(page: Path) -> list[Block]:
    return [Block(m["language"], m["text"]) for m in _FENCE.finditer(page.read_text("utf-8"))]


def _commands(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.startswith("$ ") and not any(word in line for word in _NOT_RUN):
            yield line.removeprefix("$ ")


WITH_BLOCKS = [page for page in PAGES if _blocks(page)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages that profile the same model share what was measured."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_runs(
    page: Path,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """With `--outputs`, keeps what the commands of the site print (docs/outputs.py)."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": page.stem}
    printed: list[dict[str, str]] = []
    for block in _blocks(page):
        if block.language == "python":
            exec(compile(block.text, str(page), "exec"), names)  # noqa: S102  # our own page
        elif block.language == "console":
            for command in _commands(block.text):
                output = _shown(_run(command, tmp_path, cache), tmp_path)
                printed.append({"command": command, "output": output})
        elif block.language == "json":
            if json.loads(block.text).get("schema") == SCHEMA:
                read_costs(block.text)
        elif block.language == "toml":
            tomllib.loads(block.text)
        else:
            assert block.language == "text", f"{page.name}: name the language of every block"
    folder: Path | None = request.config.getoption("--outputs")
    if folder is not None and printed and page.is_relative_to(ROOT / "docs"):
        kept = (folder / page.relative_to(ROOT / "docs")).with_suffix(".json")
        kept.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(printed, indent=1, ensure_ascii=False)
        kept.write_text(f"{text}\n", "utf-8")


def _shown(output: str, folder: Path) -> str:
    """As much of what a command prints as belongs on a page, without this machine's folders."""
    lines = output.replace(f"{folder}{os.sep}", "").splitlines()
    cut = [f"... ({len(lines) - _MOST_LINES} more lines)"] if len(lines) > _MOST_LINES else []
    return "\n".join([*lines[:_MOST_LINES], *cut])


def _run(command: str, folder: Path, cache: Path) -> str:
    """What the command prints: run as a reader would, but with a cache of our own."""
    binaries = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(cache),
    }
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout
