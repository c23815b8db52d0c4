"""Reading the options of a device spec, `NAME:key=value,...`, with errors that teach."""

import math
from collections.abc import Mapping, Sequence

from stagecut.compiler.ir.errors import DeviceError
from stagecut.compiler.ir.text import suggestion


class Options:
    """The options given for one device; every read names a known option."""

    def __init__(self, device: str, given: Mapping[str, str]) -> None:
        self._device = device
        self._given = given
        self._known: list[str] = []

    def text(self, key: str, *, default: str) -> str:
        self._known.append(key)
        return self._given.get(key, default)

    def choice(self, key: str, choices: Sequence[str], *, default: str) -> str:
        text = self.text(key, default=default)
        if text not in choices:
            raise self._error(key, f"{text!r} is not one of {', '.join(choices)}", choices[0])
        return text

    def integer(self, key: str, *, default: int, at_least: int, at_most: float = math.inf) -> int:
        text = self.text(key, default=str(default))
        try:
            number = int(text)
        except ValueError:
            raise self._error(key, f"{text!r} is not a whole number", str(default)) from None
        if number < at_least:
            raise self._error(key, f"{number} is less than {at_least}", str(default))
        if number > at_most:
            raise self._error(key, f"{number} is more than {at_most}", str(default))
        return number

    def number(self, key: str, *, default: float, above: float) -> float:
        """A finite number greater than `above`."""
        text = self.text(key, default=repr(default))
        try:
            number = float(text)
        except ValueError:
            raise self._error(key, f"{text!r} is not a number", f"{default:g}") from None
        if not above < number < float("inf"):
            raise self._error(key, f"{text} is not greater than {above:g}", f"{default:g}")
        return number

    def refuse_unread(self) -> None:
        """Raise DeviceError for the first option that no read has asked for."""
        for key in self._given:
            if key in self._known:
                continue
            known = f"the options are {', '.join(self._known)}" if self._known else "it has none"
            raise DeviceError(
                f"unknown option {key!r}",
                where=f"device {self._device}",
                fix=suggestion(key, self._known, known),
            )

    def _error(self, key: str, problem: str, example: str) -> DeviceError:
        return DeviceError(
            f"option {key}: {problem}",
            where=f"device {self._device}",
            fix=f"for example {self._device}:{key}={example}",
        )
