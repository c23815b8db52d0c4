"""Every command of the site has what it prints below it, as the tests have kept it."""

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.pages import DOCS, PAGES, commands_of

#: What belongs to the machine on which they were kept.
_OF_A_MACHINE = re.compile(r"/(tmp|home|root|work|usr|var)/")


@pytest.fixture(scope="module")
def outputs() -> ModuleType:
    """docs/outputs.py, as MkDocs loads it."""
    pytest.importorskip("mkdocs", reason="MkDocs comes with the docs extra")
    spec = spec_from_file_location("outputs", DOCS / "outputs.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


OF_THE_SITE = [page for page in PAGES if page.is_relative_to(DOCS) and commands_of(page)]


@pytest.mark.parametrize("page", OF_THE_SITE, ids=lambda page: page.name)
def test_what_is_kept_is_of_the_commands_that_stand_there(outputs: ModuleType, page: Path) -> None:
    """Where they have changed, `make outputs` keeps them anew."""
    kept = outputs.kept_of(page.relative_to(DOCS))
    assert [each["command"] for each in kept] == [each.text for each in commands_of(page)]
    assert not any(_OF_A_MACHINE.search(each["output"]) for each in kept)


def test_an_output_stands_below_its_command(outputs: ModuleType) -> None:
    page = (
        "Text.\n\n```console\n$ first\n$ second\n```\n\n"
        "```python\nx = 1\n```\n\n```console\n$ third\n```\n"
    )
    kept = [
        {"command": "first", "output": "1"},
        {"command": "second", "output": ""},
        {"command": "third", "output": "3\n4"},
    ]
    assert outputs.with_outputs(page, kept) == (
        "Text.\n\n```console\n$ first\n1\n$ second\n```\n\n"
        "```python\nx = 1\n```\n\n```console\n$ third\n3\n4\n```\n"
    )


def test_another_command_than_the_one_that_was_kept(outputs: ModuleType) -> None:
    with pytest.raises(AssertionError, match="make outputs"):
        outputs.with_outputs("```console\n$ new\n```\n", [{"command": "old", "output": ""}])
