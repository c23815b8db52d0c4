"""Settings for all tests."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.support.browser import chromium
from tests.support.exported_once import export_once
from tests.support.short_turns import take_short_turns
from tests.support.torch_table import keep_torch_alone, keep_torchs_table

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# How long an example takes says more about the machine's other work than about the code.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


#: The files that take longest, longest first: begun first, so that all processes end together.
_LONG = (
    "docs/test_code_blocks.py",
    "runtime/adapters/test_onnx.py",
    "end_to_end/test_zoo.py",
    "runtime/hosts/test_cluster.py",
    "compiler/report/page/test_browser.py",
    "docs/test_hosts.py",
    "end_to_end/test_decoders.py",
    "end_to_end/test_screenshots.py",
    "passes/partition/test_partition.py",
    "compiler/frontends/decoder/test_written.py",
    "regressions/test_engines_that_die.py",
    "end_to_end/test_whisper.py",
    "test_wheel.py",
    "compiler/frontends/test_zoo.py",
    "passes/partition/exact/test_budgets.py",
    "compiler/report/page/test_every_page.py",
    "compiler/test_isolated.py",
    "docs/test_site.py",
    "regressions/test_engines_that_print.py",
    "runtime/test_random_models.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {Path(__file__).parent / name: at for at, name in enumerate(_LONG)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


def pytest_collectstart() -> None:
    gc.disable()  # until all is imported


def pytest_collection_finish() -> None:
    """All that was imported stays: Python's collector need not look at it again and again, nor
    often at what is made then, of which nearly all goes without it. At its usual pace it takes a
    tenth of the time of all tests."""
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(50_000, 20, 20)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--screenshots", type=Path, help="keep the report's screenshots in this folder"
    )
    parser.addoption(
        "--outputs", type=Path, help="keep what the site's commands print in this folder"
    )


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """The folder of models that were exported, for all processes of a run."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if hasattr(pytestconfig, "workerinput") else own
    return shared / "exports"


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """One for the tests of a module, which open pages of their own."""
    with chromium() as found:
        yield found


@pytest.fixture(autouse=True, scope="session")
def _does_nothing_twice(exports: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        take_short_turns(patch)
        export_once(patch, exports)
        yield


@pytest.fixture(autouse=True)
def _keeps_torch_quick() -> None:
    keep_torchs_table()
    keep_torch_alone()
