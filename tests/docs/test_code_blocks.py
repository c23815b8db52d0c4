"""Every code block in the README and the documentation is run, page by page, in the order given.

console    commands after `$ `; each has to succeed, and to print the lines that follow it, where
           any do: `...` stands for what differs from run to run. `stagecut` runs in this process,
           what makes use of a shell in one
python     in the page's own namespace, in the page's own folder
json       read; what calls itself a cost table has to be one
toml       read
text       shown, not run: trees, diagrams, templates of commands
"""

import json
import logging
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from stagecut.compiler.formats.costs_json import SCHEMA, read_costs
from tests.support.command_line import Said, stagecut
from tests.support.quiet import take_what_is_measured
from tests.support.repository import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)

#: Commands that are not run here, and why.
_NOT_RUN = {
    "source .venv": "the commands already run in this environment",
    "git clone": "needs the address of a repository; CI starts from a clone",
    "make ": "sets a machine up and runs everything, these tests included",
}

#: Words of a command that a shell has to read.
_OF_SHELLS = {"|", ">", "||", "&&", ";"}


@dataclass(frozen=True, slots=True)
class Block:
    language: str
    text: str


def _blocks(page: Path) -> list[Block]:
    return [Block(m["language"], m["text"]) for m in _FENCE.finditer(page.read_text("utf-8"))]


def _commands(text: str) -> Iterator[tuple[str, str]]:
    """Each with what it prints, empty where that is not shown."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, printed = part.partition("\n")
        if not any(word in f"$ {command}" for word in _NOT_RUN):
            yield command, printed


def _is_printed(shown: str, printed: str) -> bool:
    pattern = ".*".join(map(re.escape, shown.strip().split("...")))
    return re.fullmatch(pattern, printed.strip()) is not None


def test_what_is_shown_has_to_be_printed() -> None:
    [(command, shown), (other, nothing)] = _commands("$ one\nit took ... s\nof two\n$ other\n")
    assert (command, other, nothing) == ("one", "other", "")
    assert _is_printed(shown, "it took 1.5 s\nof two\n")
    assert not _is_printed(shown, "it took 1.5 s\n\nof two\n")
    assert not _is_printed(shown, "it took 1.5 s\nof two\nand more")


WITH_BLOCKS = [page for page in PAGES if _blocks(page)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages that profile the same model share what was measured."""
    return tmp_path_factory.mktemp("cache")


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who follows a page in a folder, with a cache of our own."""

    folder: Path
    command_line: Callable[..., Said]

    def runs(self, command: str) -> str:
        """What the command prints."""
        words = shlex.split(command)
        if words[0] == "stagecut" and not _OF_SHELLS & {*words}:
            said = self.command_line(*words[1:])
        else:
            said = self._in_a_shell(command)
        assert said.code == 0, f"$ {command}\n{said.out}{said.err}"
        assert "Traceback" not in said.err
        return said.out

    def _in_a_shell(self, command: str) -> Said:
        binaries = str(Path(sys.executable).parent)
        environment = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def reader(
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Reader:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    # torch logs to the standard error that it first saw: that of an earlier page, by now closed
    monkeypatch.setattr(logging, "raiseExceptions", False)
    take_what_is_measured(monkeypatch)
    return Reader(tmp_path, partial(stagecut, capsys, monkeypatch))


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_runs(page: Path, reader: Reader) -> None:
    names: dict[str, object] = {"__name__": page.stem}
    for block in _blocks(page):
        if block.language == "python":
            exec(compile(block.text, str(page), "exec"), names)  # noqa: S102  # our own page
        elif block.language == "console":
            for command, shown in _commands(block.text):
                printed = reader.runs(command)
                assert not shown or _is_printed(shown, printed), f"$ {command}\n{printed}"
        elif block.language == "json":
            if json.loads(block.text).get("schema") == SCHEMA:
                read_costs(block.text)
        elif block.language == "toml":
            tomllib.loads(block.text)
        else:
            assert block.language == "text", f"{page.name}: name the language of every block"


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    """Links, anchors and the navigation are checked; nothing is fetched."""
    pytest.importorskip("mkdocs", reason="MkDocs comes with the docs extra")
    site = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(site)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    commands = (site / "cli" / "index.html").read_text("utf-8")
    assert all(f"stagecut {name}" in commands for name in ("compile", "run", "partition", "diff"))
    assert "CostTableError" in (site / "errors" / "index.html").read_text("utf-8")
    linked = (path.read_text("utf-8") for path in site.rglob("*.html"))
    assert not any('src="http' in page or 'rel="stylesheet" href="http' in page for page in linked)
