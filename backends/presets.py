"""Presets: TOML files with the numbers of a modelled device, each of which a spec can replace.

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

import math
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeAlias

from stagecut.backends.options import Options
from stagecut.backends.spec import PRESET
from stagecut.compiler.formats.kept_file import KeptFile
from stagecut.compiler.formats.text_file import without_mark
from stagecut.compiler.ir.errors import DeviceError
from stagecut.compiler.ir.text import path_text, suggestion

#: No more of a preset file is read; ours have a thousandth of that.
_MOST_BYTES = 1 << 20

#: Section -> name -> number.
Tables: TypeAlias = dict[str, dict[str, Any]]


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


@dataclass(frozen=True, slots=True)
class Presets:
    """The presets of one family of devices: `pim` has `pim.hbm` and others.

    Those of the package lie in the folder `presets` of `package`, one for each of `architectures`.
    """

    family: str
    package: str
    architectures: tuple[str, ...]

    def preset(self, device: str, options: Mapping[str, str]) -> Preset:
        """`pim.hbm` has presets/hbm.toml; `pim` itself takes a preset from its options.

        Raises DeviceError for a file or a name that makes no sense.
        """
        if device != self.family:
            architecture = device.removeprefix(f"{self.family}.")
            return Preset(device, architecture, self._packaged(architecture), options)
        given = self.canonical(device, options)
        if "architecture" not in given:
            raise DeviceError(
                "no preset file is named",
                where=f"device {device}",
                fix=f"write {device}:FILE.toml, or name one of {', '.join(self._names())}",
            )
        architecture = self._known(given.pop("architecture"), f"device {device}")
        name = f"{self.family}.{given.pop('name', architecture)}"
        return Preset(name, architecture, self._packaged(architecture), given)

    def canonical(self, device: str, options: Mapping[str, str]) -> dict[str, str]:
        """The options without a preset file: what that changes is written out instead."""
        if device != self.family or PRESET not in options:
            return dict(options)
        path = Path(options[PRESET])
        changes = self._load(path)
        architecture = self._known(changes.pop("architecture", None), str(path))
        if set(path.stem) & set(",=:"):
            raise DeviceError(
                "the file's name becomes the device's, which has no ',', '=' or ':'",
                where=str(path),
                fix="rename the file",
            )
        written = {"architecture": architecture, "name": path_text(path.stem)}
        written |= _changed(changes, self._packaged(architecture), path)
        return written | {key: text for key, text in options.items() if key != PRESET}

    def _names(self) -> list[str]:
        return [f"{self.family}.{architecture}" for architecture in self.architectures]

    def _packaged(self, architecture: str) -> Tables:
        path = files(self.package) / "presets" / f"{architecture}.toml"
        tables = tomllib.loads(path.read_text("utf-8"))
        del tables["architecture"]
        return tables

    def _known(self, architecture: object, where: str) -> str:
        if architecture in self.architectures:
            return str(architecture)
        raise DeviceError(
            f"{architecture!r} is not an architecture"
            if architecture
            else "no architecture is named",
            where=where,
            fix=f"write architecture = one of {', '.join(self.architectures)}",
        )

    def _load(self, path: Path) -> dict[str, Any]:
        try:
            raw = KeptFile(path).read(0, _MOST_BYTES)
            return tomllib.loads(without_mark(raw).decode())
        except OSError as error:
            problem, fix = f"cannot be read: {error.strerror}", "give the path of a preset"
        except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
            problem = f"is not TOML: {error}"
            fix = f"see presets/{self.architectures[0]}.toml in {self.package}"
        raise DeviceError(problem, where=str(path), fix=fix)


def _changed(changes: Mapping[str, Any], tables: Tables, path: Path) -> Iterator[tuple[str, str]]:
    """What a file changes in the tables of the package, as options."""
    for section, numbers in changes.items():
        _refuse_unknown(section, tables, str(path))
        if not isinstance(numbers, dict):
            raise DeviceError("is no section", where=f"{path}: {section}", fix=f"write [{section}]")
        for key, number in numbers.items():
            _refuse_unknown(key, tables[section], f"{path}: [{section}]")
            yield key, _text(number, tables[section][key], f"{path}: {section}.{key}")


def _refuse_unknown(key: str, known: Mapping[str, Any], where: str) -> None:
    if key not in known:
        names = f"there are {', '.join(known)}"
        raise DeviceError(f"unknown name {key!r}", where=where, fix=suggestion(key, known, names))


def _text(number: Any, default: Any, where: str) -> str:
    """`number` as the text of an option; it must have the type of the package's `default`."""
    kinds = {bool: "true or false", int: "a whole number", float: "a number"}
    is_whole = isinstance(number, int) and not isinstance(number, bool)
    if type(number) is not type(default) and not (isinstance(default, float) and is_whole):
        raise DeviceError(
            f"{number!r} is not {kinds[type(default)]}", where=where, fix=f"such as {default}"
        )
    return ("off", "on")[number] if isinstance(number, bool) else repr(number)
