"""Weights in an installed package: what is missing, what is altered, and what is read."""

import hashlib
from pathlib import Path

import pytest

from stagecut.compiler.ir.errors import ModelError
from stagecut.models import packaged


def test_the_folder_lies_beside_the_package_s_code() -> None:
    assert packaged.folder("pytest", "zoo:a", "install") == Path(pytest.__file__).parent / "model"


def test_a_missing_package_is_named_with_what_installs_it() -> None:
    with pytest.raises(ModelError, match="package no_such_thing, which is not installed") as caught:
        packaged.folder("no_such_thing", "zoo:a", "install")
    assert (caught.value.where, caught.value.fix) == ("zoo:a", "install")


def test_what_is_as_it_was_is_read(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"trained")
    right = hashlib.sha256(b"trained").hexdigest()
    assert packaged.checked(file, right, "it is another", "again") == b"trained"
    file.write_bytes(b"forged")
    with pytest.raises(
        ModelError, match=f"it is another: their SHA-256 is .*, not {right}"
    ) as caught:
        packaged.checked(file, right, "it is another", "again")
    assert (caught.value.where, caught.value.fix) == (str(file), "again")


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read: Is a directory"):
        packaged.checked(tmp_path, "", "it is another", "again")
