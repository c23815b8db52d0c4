"""How a device is asked for: `NAME`, `NAME:key=value,key=value` or `NAME:FILE.toml,key=value`.

`OWN=NAME:...` gives it a name of the user's own, so that one device can be there several times:
`small=pim.hbm:channels=16` and `large=pim.hbm:channels=64`.

A file is the option `preset`: it holds the numbers of a modelled device (backends/presets.py).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from stagecut.compiler.ir.errors import DeviceError

#: The option that names a file.
PRESET = "preset"

_FILE = ".toml"

#: So many characters has a name of the user's own at most.
LONGEST_NAME = 64

#: It stands in rules, in routes and in tables.
_OWN_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST_NAME - 1}}}")

#: Characters that lead from folder to folder.
_OF_PATHS = frozenset("/\\\0")


@dataclass(frozen=True, slots=True)
class Spec:
    """A device's name and its options, as the user gave them; `own` is what the user calls it,
    empty where it keeps its name."""

    name: str
    options: Mapping[str, str] = field(default_factory=dict)
    own: str = ""

    def __str__(self) -> str:
        options = ",".join(f"{key}={value}" for key, value in self.options.items())
        name = f"{self.own}={self.name}" if self.own else self.name
        return f"{name}:{options}" if options else name

    @classmethod
    def parse(cls, text: str) -> "Spec":
        """Raises DeviceError for what has another form."""
        named, _, rest = text.partition(":")
        own, equals, name = named.rpartition("=")
        if equals and not _OWN_NAME.fullmatch(own):
            raise DeviceError(
                f"{own!r} is no name for a device",
                where=f"device {text}",
                fix="write NAME=DEVICE, with letters, digits, dots, underscores and hyphens",
            )
        return cls(name, _options(text, rest), own)

    @classmethod
    def of_plan(cls, text: str) -> "Spec":
        """As it stands in a plan, which may come from anywhere: with numbers and words, and never
        the path of a file. Raises DeviceError for others."""
        spec = cls.parse(text)
        for key, given in spec.options.items():
            if key == PRESET or set(given) & _OF_PATHS:
                raise DeviceError(
                    f"option {key} names a file, and a plan holds numbers",
                    where=f"device {text}",
                    fix="compile the model again: what a preset file says goes into the plan",
                )
        return spec


def _options(spec: str, text: str) -> dict[str, str]:
    options: dict[str, str] = {}
    file, ends, others = text.partition(_FILE)
    if ends and not set(file) & set("=,") and others[:1] in {"", ",", ":"}:
        text = f"{PRESET}={file}{_FILE},{others[1:]}"
    for item in filter(None, text.split(",")):
        key, equals, value = item.partition("=")
        if not (key and equals and value):
            raise DeviceError(
                f"option {item!r} is not of the form key=value",
                where=f"device {spec}",
                fix="write NAME:key=value,key=value, or NAME:FILE.toml for a preset of your own",
            )
        if key in options:
            raise DeviceError(
                f"option {key!r} is given twice", where=f"device {spec}", fix="give it once"
            )
        options[key] = value
    return options
