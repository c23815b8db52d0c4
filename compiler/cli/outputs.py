"""The files that a command is to write, looked at before it begins its work."""

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from stagecut.compiler.formats.atomic import check_replaceable, writing
from stagecut.compiler.ir.errors import UsageError


def check_outputs(outputs: Mapping[str, Path | None], inputs: Iterable[Path | None] = ()) -> None:
    """`outputs` are by the option that names them. Raises OutputError for one that cannot be
    written, and UsageError where one is a file that the command reads, or writes under another
    name; links and other ways to write a path are seen through."""
    asked = {option: path for option, path in outputs.items() if path is not None}
    read = [path for path in inputs if path is not None]
    for option, path in asked.items():
        with writing(path):
            _check_writable(path)
        for other in (each for each in read if _same(path, each)):
            raise UsageError(
                f"{path} would be written over {other}, which is read",
                where=option,
                fix="name another file",
            )
    options = list(asked)
    for index, option in enumerate(options):
        for earlier in (each for each in options[:index] if _same(asked[option], asked[each])):
            raise UsageError(
                f"{asked[option]} is the file of {earlier}, too",
                where=option,
                fix="name two files",
            )


def _check_writable(path: Path) -> None:
    there = check_replaceable(path)
    if there is None or stat.S_ISREG(there.st_mode):
        folder = path.resolve().parent
        folder.stat()
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(0, "its folder is protected against writing")


def _same(path: Path, other: Path) -> bool:
    """A pipe or a device is read and written at once without harm."""
    try:
        return path.samefile(other) and path.is_file()
    except OSError:  # one of them is not there
        return os.path.realpath(path) == os.path.realpath(other)
