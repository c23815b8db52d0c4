"""Presets: TOML files with the numbers of a device, each of which a device spec can replace.

    pim.hbm:channels=16,tCCDL=6,refresh=off     a preset of the package, with changes
    pim:mine.toml,channels=16                   a preset of the user, with changes

A user's file names the architecture and the numbers that differ from the package's preset:

    architecture = "hbm"
    [timing]
    tCCDL = 6

Each section of the file fills a frozen dataclass, whose fields have the names of the file in lower
case. The dataclass raises DeviceError for a number that the model does not cover; `explaining` adds
the device and the number of the preset to that error.
"""

import difflib
import math
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeAlias

from stagecut.backends.options import Options
from stagecut.compiler.errors import DeviceError

#: Section -> name -> number.
Tables: TypeAlias = dict[str, dict[str, Any]]

_ARCHITECTURES = ("hbm", "aim", "silent")


class Preset:
    """The tables of a preset and the options that replace some of their numbers.

    `device` is the name of the device, `architecture` one of hbm, aim and silent.
    """

    def __init__(
        self, device: str, architecture: str, tables: Tables, options: Mapping[str, str]
    ) -> None:
        self.device = device
        self.architecture = architecture
        self._tables = tables
        self.options = Options(device, options)

    @classmethod
    def of(cls, name: str, options: Mapping[str, str]) -> "Preset":
        """The preset of device `name`: presets/hbm.toml for `pim.hbm`; for `pim`, its options.

        Raises DeviceError for an unknown architecture, an unknown name or a file it cannot read.
        """
        if name != "pim":
            architecture, tables = _packaged(name.removeprefix("pim."))
            return cls(name, architecture, tables, options)
        given = written_out(options)
        if "architecture" not in given:
            raise DeviceError(
                "no preset file is named",
                where="device pim",
                fix=f"write pim:FILE.toml, or name one of {', '.join(_names())}",
            )
        _known_architecture(given["architecture"], "device pim")
        architecture, tables = _packaged(given.pop("architecture"))
        return cls(f"pim.{given.pop('name', architecture)}", architecture, tables, given)

    def section(self, name: str) -> dict[str, Any]:
        """Name in lower case -> number, of the section called `name`."""
        return {key.lower(): self._number(key, n) for key, n in self._tables[name].items()}

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Add the device, and the preset's number, to a DeviceError about one of the numbers."""
        try:
            yield
        except DeviceError as error:
            numbers = {key: n for table in self._tables.values() for key, n in table.items()}
            key = next((key for key in numbers if key.lower() == error.where.lower()), None)
            if key is None:
                raise
            raise DeviceError(
                f"{key}: {error.problem}",
                where=f"device {self.device}",
                fix=f"the preset has {key} = {numbers[key]}",
            ) from None

    def _number(self, key: str, default: Any) -> Any:
        if isinstance(default, bool):
            words = ("off", "on")
            return self.options.choice(key, words, default=words[default]) == "on"
        if isinstance(default, int):
            return self.options.integer(key, default=default, at_least=0)
        return self.options.number(key, default=default, above=-math.inf)


def _names() -> list[str]:
    return [f"pim.{name}" for name in _ARCHITECTURES]


def _packaged(name: str) -> tuple[str, Tables]:
    path = files("stagecut.backends.pim") / "presets" / f"{name}.toml"
    tables = tomllib.loads(path.read_text("utf-8"))
    return tables.pop("architecture"), tables


def written_out(options: Mapping[str, str]) -> dict[str, str]:
    """The options of `pim` with those numbers that its preset file changes in place of the file.

    So a plan holds the numbers themselves, and does not depend on the file.
    """
    if "preset" not in options:
        return dict(options)
    path = Path(options["preset"])
    changes = _load(path)
    architecture = changes.pop("architecture", None)
    _known_architecture(architecture, str(path))
    if set(path.stem) & set(",=:"):
        raise DeviceError(
            "the file's name becomes the device's, which has no ',', '=' or ':'",
            where=str(path),
            fix="rename the file",
        )
    written = {"architecture": str(architecture), "name": path.stem}
    _, tables = _packaged(architecture)
    for section, numbers in changes.items():
        _refuse_unknown(section, tables, str(path))
        if not isinstance(numbers, dict):
            raise DeviceError("is no section", where=f"{path}: {section}", fix=f"write [{section}]")
        for key, number in numbers.items():
            _refuse_unknown(key, tables[section], f"{path}: [{section}]")
            written[key] = _text(number, tables[section][key], f"{path}: {section}.{key}")
    return written | {key: text for key, text in options.items() if key != "preset"}


def _known_architecture(name: object, where: str) -> None:
    if name not in _ARCHITECTURES:
        raise DeviceError(
            f"{name!r} is not an architecture" if name else "no architecture is named",
            where=where,
            fix=f"write architecture = one of {', '.join(_ARCHITECTURES)}",
        )


def _load(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        problem, fix = f"cannot be read: {error.strerror}", "give the path of a preset"
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problem, fix = f"is not TOML: {error}", "see presets/hbm.toml in the package"
    raise DeviceError(problem, where=str(path), fix=fix)


def _refuse_unknown(key: str, known: Mapping[str, Any], where: str) -> None:
    if key not in known:
        near = difflib.get_close_matches(key, known, n=1)
        names = f"there are {', '.join(known)}"
        raise DeviceError(
            f"unknown name {key!r}",
            where=where,
            fix=f"did you mean {near[0]!r}? {names}" if near else names,
        )


def _text(number: Any, default: Any, where: str) -> str:
    """`number` as the text of an option; it must have the type of the package's `default`."""
    kinds = {bool: "true or false", int: "a whole number", float: "a number"}
    is_whole = isinstance(number, int) and not isinstance(number, bool)
    if type(number) is not type(default) and not (isinstance(default, float) and is_whole):
        raise DeviceError(
            f"{number!r} is not {kinds[type(default)]}", where=where, fix=f"such as {default}"
        )
    return ("off", "on")[number] if isinstance(number, bool) else repr(number)
