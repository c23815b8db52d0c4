"""Settings for all tests."""

from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.torch_table import keep_torchs_table

# How long an example takes says more about the machine's other work than about the code.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--screenshots", type=Path, help="keep the report's screenshots in this folder"
    )
    parser.addoption(
        "--outputs", type=Path, help="keep what the site's commands print in this folder"
    )


@pytest.fixture(autouse=True)
def _keeps_torchs_table() -> None:
    keep_torchs_table()
