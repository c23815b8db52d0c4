"""What `stagecut sweep` is asked: its options read, and those refused that make no question."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

from stagecut.backends.spec import LONGEST_NAME
from stagecut.compiler.cli.options import parse_shapes
from stagecut.compiler.cli.output import progress_bars
from stagecut.compiler.cli.searching import Searching
from stagecut.compiler.cli.tables import Given
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.objective import Objective
from stagecut.passes.sweep.scale import Scale
from stagecut.passes.sweep.sweep import Sweep

_RANGE = re.compile(r"(?P<part>.+)=(?P<low>[^=]+?)\.\.(?P<high>[^=]+)")


def check_along_length(*, twice: bool, others: Sequence[object]) -> None:
    """A sweep along the length is a question of its own: `twice` where the lengths are given and
    those of the file are known, and `others` are the options that do not go with it."""
    if twice:
        raise UsageError(
            "the lengths are those of the file",
            where="--length",
            fix="leave it out; or give one length, with --scale",
        )
    if any(others):
        raise UsageError(
            "along the length, nothing else changes, and nothing is drawn",
            where="sweep",
            fix="give one --length with --scale or --set; or several and none of these, no --map, "
            "--shape, --png and --html",
        )


def check_question(scales: int, *, is_catalogue: bool, is_map: bool) -> None:
    """At one length, what is asked for is either so many speeds, or a catalogue of devices."""
    if bool(scales) == is_catalogue:
        raise UsageError(
            "asks for nothing" if not scales else "--scale and --set are different questions",
            where="sweep",
            fix="give --scale PART=LOW..HIGH, or --set DEVICE:KEY=A,B,...",
        )
    if is_map and scales != 2:
        raise UsageError(
            "a map is one of two speeds",
            where="--map",
            fix="give --scale PART=LOW..HIGH twice",
        )


def check_names(names: Sequence[str]) -> None:
    """`names` are those of the devices that --set asks for."""
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f"two devices would be called {name}",
                where="--set",
                fix="ask for each value of an option in one --set",
            )


def read_given(costs: str, shape: Sequence[str] | None) -> Given | None:
    """The table or the plan; None for a model. Raises PlanError and ShapeError."""
    path = Path(costs)
    if path.suffix.lower() == ".pt2":  # an archive, as a plan is
        return None
    given = Given.read(path, parse_shapes(shape))
    return None if given.variant is None and not costs.endswith(".json") else given


def check_known(
    names: Sequence[str], device: Sequence[str] | None, shape: Sequence[str] | None
) -> None:
    """What can be asked about a model, and not where the costs are known."""
    asked = {"--set": names, "--device": device, "--shape": shape}
    for option in [name for name, given in asked.items() if given]:
        raise UsageError(
            "a cost table holds no device that could be asked anew",
            where=option,
            fix="leave it out, or name the model instead of its costs",
        )


def read_sweep(text: str, objective: Objective, limit_s: float) -> Sweep:
    """`PART=LOW..HIGH`; raises UsageError."""
    match = _RANGE.fullmatch(text)
    try:
        if match is not None:
            low, high = float(match["low"]), float(match["high"])
            return Sweep(
                Scale(match["part"]),
                low,
                high,
                objective,
                limit_s,
                Searching(objective),
                progress_bars(),
            )
    except ValueError:
        pass
    raise UsageError(
        f"{text!r} is not PART=LOW..HIGH",
        where="--scale",
        fix="write --scale transfers=0.01..1000",
    )


def read_prices(text: str | None, count: int) -> tuple[float, ...]:
    """One for each of `count` entries; none where none were given."""
    if text is None:
        return ()
    if not count:
        raise UsageError("prices are those of --set", where="--price", fix="leave it out")
    try:
        prices = tuple(map(float, text.split(",")))
    except ValueError:
        prices = ()
    if len(prices) != count or not all(0 <= price < math.inf for price in prices):
        raise UsageError(
            f"{text!r} is no price for each of {count} devices",
            where="--price",
            fix="write a number for each value of --set: --price 10,18,32",
        )
    return prices


def read_entries(text: str) -> list[str]:
    """`pim.hbm:channels=16,32` -> `channels-16=pim.hbm:channels=16` and the same for 32; options
    that stand before the last one are the same for all: `pim.hbm:refresh=off,channels=16,32`."""
    device, _, options = text.partition(":")
    *fixed, varied = re.split(r",(?=[^,=]*=)", options)
    key, equals, values = varied.partition("=")
    listed = [*dict.fromkeys(values.split(","))]
    if not (device and key and equals and all(listed)):
        raise UsageError(
            f"{text!r} is not DEVICE:KEY=A,B,...",
            where="--set",
            fix="write --set pim.hbm:channels=16,32,64",
        )
    # Values that are paths may be too long for a name, or differ in what names cannot hold.
    names = [f"{key}-{re.sub('[^A-Za-z0-9._-]', '-', value)}" for value in listed]
    if len(set(names)) < len(names) or max(map(len, names)) > LONGEST_NAME:
        names = [f"{key}-{number}" for number in range(len(listed))]
    return [
        f"{name}={device}:{','.join((*fixed, f'{key}={value}'))}"
        for name, value in zip(names, listed, strict=True)
    ]
