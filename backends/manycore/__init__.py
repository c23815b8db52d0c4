"""Many-core devices, modelled: clusters of tiny cores around scratchpads, their time and energy."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stagecut.backends.manycore.device import ManycoreBackend
    from stagecut.backends.presets import Preset


def create(name: str, options: Mapping[str, str]) -> "ManycoreBackend":
    """The device `manycore.snitch16` or `manycore.occamy`; or `manycore` with `preset=FILE.toml`.

    Every number of a preset is an option that replaces it. Raises DeviceError for unknown options
    and for numbers that the model does not cover.
    """
    from stagecut.backends.manycore.chip import PRESETS, chip_of
    from stagecut.backends.manycore.device import ManycoreBackend

    preset = PRESETS.preset(name, options)
    chip = chip_of(preset)
    number = _number(preset, chip.precision)
    numerics = preset.options.choice("numerics", ("fast", "exact"), default="fast")
    preset.options.refuse_unread()
    room = chip.geometry.capacity_bytes
    return ManycoreBackend(preset.device, chip, number, room, numerics == "exact")


def _number(preset: "Preset", precision: str) -> str:
    """The format of numbers: of eight bits, there are two."""
    kind = preset.options.choice("fp8", ("e4m3", "e5m2"), default="e4m3")
    if kind == "e4m3":
        return precision
    if precision != "fp8":
        from stagecut.compiler.ir.errors import DeviceError

        raise DeviceError(
            f"option fp8: {kind} says nothing about {precision}",
            where=f"device {preset.device}",
            fix="write precision=fp8, or leave fp8 out",
        )
    return "fp8_e5m2"


def canonical_spec(name: str, options: Mapping[str, str]) -> Mapping[str, str]:
    """The options without a preset file: what that changes is written out instead."""
    from stagecut.backends.manycore.chip import PRESETS

    return PRESETS.canonical(name, options)
