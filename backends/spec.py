"""How a device is asked for: `NAME`, `NAME:key=value,key=value` or `NAME:FILE.toml,key=value`.

A file is the option `preset`: it holds the numbers of a modelled device (backends/presets.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from stagecut.compiler.ir.errors import DeviceError

#: The option that names a file.
PRESET = "preset"

_FILE = ".toml"

#: Characters that lead from folder to folder.
_OF_PATHS = frozenset("/\\\0")


@dataclass(frozen=True, slots=True)
class Spec:
    """A device's name and its options, as the user gave them."""

    name: str
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        options = ",".join(f"{key}={value}" for key, value in self.options.items())
        return f"{self.name}:{options}" if options else self.name

    @classmethod
    def parse(cls, text: str) -> "Spec":
        """Raises DeviceError for what has another form."""
        name, _, rest = text.partition(":")
        return cls(name, _options(text, rest))

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
