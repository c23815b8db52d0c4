"""Processing-in-memory devices, modelled: their time, their energy and the numbers they compute."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stagecut.backends.pim.device import PimBackend


def create(name: str, options: Mapping[str, str]) -> "PimBackend":
    """The device `pim.hbm`, `pim.aim` or `pim.silent`; or `pim` with `preset=FILE.toml`.

    Every number of a preset is an option that replaces it. Raises DeviceError for unknown options
    and for numbers that the model does not cover.
    """
    from stagecut.backends.pim.architectures import PRESETS, architecture_of
    from stagecut.backends.pim.device import PimBackend

    preset = PRESETS.preset(name, options)
    architecture = architecture_of(preset)
    room = architecture.capacity_bytes
    capacity_bytes = preset.options.integer("capacity_bytes", default=room, at_least=0)
    numerics = preset.options.choice("numerics", ("fast", "exact"), default="fast")
    preset.options.refuse_unread()
    return PimBackend(preset.device, architecture, min(capacity_bytes, room), numerics == "exact")


def canonical_spec(name: str, options: Mapping[str, str]) -> Mapping[str, str]:
    """The options without a preset file: what that changes is written out instead."""
    from stagecut.backends.pim.architectures import PRESETS

    return PRESETS.canonical(name, options)
