"""Processing-in-memory devices, modelled: what they would take, and the numbers they would give."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stagecut.backends.pim.device import PimBackend


def create(name: str, options: Mapping[str, str]) -> "PimBackend":
    """`pim.hbm`, `pim.aim`, `pim.silent`, or `pim` with `preset=FILE.toml`: a preset of one's own.

    Every number of the preset is an option; raises DeviceError for nonsense.
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
