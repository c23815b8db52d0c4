"""Every code block in the README and the documentation is run, page by page, in the order given.

console    commands after `$ `; each has to succeed, and to print the lines that follow it, where
           any do. `stagecut` runs in this process, on small models, and measures no longer than it
           has to; what makes use of a shell runs in one, and all does where what is printed is kept
python     in the page's own namespace, in the page's own folder
json       read; what calls itself a cost table has to be one
toml       read
text       shown, not run: trees, diagrams, templates of commands

With `--outputs`, what the commands of the site print is kept (docs/outputs.py).
"""

import json
import logging
import os
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from stagecut.compiler.formats.costs_json import SCHEMA, read_costs
from tests.support.command_line import Said, stagecut
from tests.support.exported_once import take_small_models
from tests.support.pages import DOCS, PAGES, Command, blocks, commands
from tests.support.quiet import take_what_is_measured
from tests.support.repository import ROOT

#: Words of a command that a shell has to read.
_OF_SHELLS = {"|", ">", "||", "&&", ";"}

#: What has a command take less time to measure, where it does not say how much.
_SECONDS = "0.1"
_BRIEF = {"compile": ("--effort", "quick"), "bench": ("--seconds", _SECONDS)}

#: So many lines of what a command prints are shown on the site.
_MOST_LINES = 40


def test_what_is_shown_has_to_be_printed() -> None:
    one, other = commands("$ one\nit took ... s\nof two\n$ other\n")
    assert (one.text, other) == ("one", Command("other", ""))
    assert one.fits("it took 1.5 s\nof two\n")
    assert not one.fits("it took 1.5 s\n\nof two\n")
    assert not one.fits("it took 1.5 s\nof two\nand more")
    assert other.fits("anything")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages that profile the same model share what was measured."""
    return tmp_path_factory.mktemp("cache")


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who follows a page in a folder, with a cache of our own."""

    folder: Path
    command_line: Callable[..., Said]
    always_in_shells: bool

    def runs(self, command: str) -> str:
        """What the command prints."""
        words = shlex.split(command)
        if words[0] == "stagecut" and not _OF_SHELLS & {*words} and not self.always_in_shells:
            said = self.command_line(*_brief(words[1:]))
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
    request: pytest.FixtureRequest,
) -> Reader:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    # torch logs to the standard error that it first saw: that of an earlier page, by now closed
    monkeypatch.setattr(logging, "raiseExceptions", False)
    take_what_is_measured(monkeypatch)
    kept = request.config.getoption("--outputs") is not None
    if not kept:
        take_small_models(monkeypatch)
    return Reader(tmp_path, partial(stagecut, capsys, monkeypatch), kept)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_runs(page: Path, reader: Reader, request: pytest.FixtureRequest) -> None:
    printed: list[Mapping[str, str]] = []
    names: dict[str, object] = {"__name__": page.stem}
    for block in blocks(page):
        if block.language == "python":
            exec(compile(block.text, str(page), "exec"), names)  # noqa: S102  # our own page
        elif block.language == "console":
            for command in commands(block.text):
                output = reader.runs(command.text)
                assert command.fits(output), f"$ {command.text}\n{output}"
                below = "" if command.shown else _cut(output, reader.folder)
                printed.append({"command": command.text, "output": below})
        elif block.language == "json":
            if json.loads(block.text).get("schema") == SCHEMA:
                read_costs(block.text)
        elif block.language == "toml":
            tomllib.loads(block.text)
        else:
            assert block.language == "text", f"{page.name}: name the language of every block"
    folder: Path | None = request.config.getoption("--outputs")
    if folder is not None and printed and page.is_relative_to(DOCS):
        _keep(printed, (folder / page.relative_to(DOCS)).with_suffix(".json"))


def _brief(words: Sequence[str]) -> Sequence[str]:
    """The same command; what it measures is not what is tested here."""
    option = _BRIEF.get(words[0], ())
    if not {*option[:1]} & {*words}:
        words = (*words, *option)
    return [_SECONDS if before == "--seconds" else word for before, word in pairwise(("", *words))]


def _cut(output: str, folder: Path) -> str:
    """As much of what a command prints as belongs on a page, without this machine's folders."""
    lines = output.replace(f"{folder}{os.sep}", "").splitlines()
    more = [f"... ({len(lines) - _MOST_LINES} more lines)"] if len(lines) > _MOST_LINES else []
    return "\n".join([*lines[:_MOST_LINES], *more])


def _keep(printed: Sequence[Mapping[str, str]], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{json.dumps(printed, indent=1, ensure_ascii=False)}\n", "utf-8")
