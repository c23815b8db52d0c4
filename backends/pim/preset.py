"""Presets: TOML files with the numbers of a device, each of which a device spec can replace.

    pim.hbm:channels=16,tCCDL=6,refresh=off

A section of the file fills a frozen dataclass, whose fields are named as in the file but in lower
case. The dataclass refuses what makes no sense; the preset adds whose number that was.
"""

import math
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

from stagecut.backends.options import Options
from stagecut.compiler.errors import DeviceError


class Preset:
    """The tables of a preset file and the options that replace some of their numbers."""

    def __init__(self, name: str, tables: Mapping[str, Any], options: Mapping[str, str]) -> None:
        self._name = name
        self._tables = tables
        self.options = Options(name, options)

    @classmethod
    def packaged(cls, device: str, options: Mapping[str, str]) -> "Preset":
        """The preset of `pim.hbm` is presets/hbm.toml."""
        path = files("stagecut.backends.pim") / "presets" / f"{device.removeprefix('pim.')}.toml"
        return cls(device, tomllib.loads(path.read_text("utf-8")), options)

    def section(self, name: str) -> dict[str, Any]:
        """The numbers of the section called `name`, by their names in lower case."""
        table: Mapping[str, Any] = self._tables[name]
        return {key.lower(): self._number(key, default) for key, default in table.items()}

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Add to a DeviceError about one of the numbers whose it is and what the preset has."""
        try:
            yield
        except DeviceError as error:
            numbers = {key: n for table in self._tables.values() for key, n in table.items()}
            key = next((key for key in numbers if key.lower() == error.where.lower()), None)
            if key is None:
                raise
            raise DeviceError(
                f"{key}: {error.problem}",
                where=f"device {self._name}",
                fix=f"the preset has {key} = {numbers[key]}",
            ) from None

    def _number(self, key: str, default: Any) -> Any:
        if isinstance(default, bool):
            words = ("off", "on")
            return self.options.choice(key, words, default=words[default]) == "on"
        if isinstance(default, int):
            return self.options.integer(key, default=default, at_least=0)
        return self.options.number(key, default=default, above=-math.inf)
