"""Hosts in namespaces of this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from benchmarks.namespaces import Hosts, why_not


@contextmanager
def two_namespaces(*, tls: bool = False, started: bool = True) -> Iterator[Hosts]:
    """As `Hosts` has them; skips the test, with the reason, where there can be none."""
    if reason := why_not():
        pytest.skip(reason)
    with (
        TemporaryDirectory(prefix="sct", dir="/tmp") as folder,
        Hosts(Path(folder), 2, tls=tls, started=started) as two,
    ):
        yield two
