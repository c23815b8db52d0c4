"""Settings for all tests."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.exported_once import export_once
from tests.support.short_turns import take_short_turns
from tests.support.torch_table import keep_torchs_table

# How long an example takes says more about the machine's other work than about the code.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


#: Where the files are that take longest: begun first, so that all processes end together.
_LONG = ("docs", "end_to_end", "regressions", "runtime/adapters", "runtime/hosts")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    long = tuple(Path(__file__).parent / each for each in _LONG)
    items.sort(key=lambda item: not any(map(item.path.is_relative_to, long)))


def pytest_collection_finish() -> None:
    """All that was imported stays: Python's collector need not look at it again and again."""
    gc.collect()
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--screenshots", type=Path, help="keep the report's screenshots in this folder"
    )
    parser.addoption(
        "--outputs", type=Path, help="keep what the site's commands print in this folder"
    )


@pytest.fixture(autouse=True, scope="session")
def _does_nothing_twice(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[None]:
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if hasattr(pytestconfig, "workerinput") else own
    with pytest.MonkeyPatch.context() as patch:
        take_short_turns(patch)
        export_once(patch, shared / "exports")
        yield


@pytest.fixture(autouse=True)
def _keeps_torchs_table() -> None:
    keep_torchs_table()
