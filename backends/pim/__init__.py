"""Processing-in-memory devices, modelled: what they would take, and the numbers they would give."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stagecut.backends.pim.device import PimBackend


def create(name: str, options: Mapping[str, str]) -> "PimBackend":
    """`pim.hbm`. Every number of its preset is an option; raises DeviceError for nonsense."""
    from stagecut.backends.pim.device import PimBackend
    from stagecut.backends.pim.hbm.energy import Energy
    from stagecut.backends.pim.hbm.intervals import Intervals
    from stagecut.backends.pim.hbm.model import HbmPim
    from stagecut.backends.pim.hbm.parameters import Geometry, Host, Kernels, Timing
    from stagecut.backends.pim.preset import Preset

    preset = Preset.packaged(name, options)
    with preset.explaining():
        timing = Timing(**preset.section("timing"))
        geometry = Geometry(**preset.section("geometry"))
        host, kernels = Host(**preset.section("host")), Kernels(**preset.section("kernels"))
        energy = Energy(**preset.section("energy"))
        architecture = HbmPim(Intervals(timing, geometry), host, energy, kernels)
    room = architecture.capacity_bytes
    capacity_bytes = preset.options.integer("capacity_bytes", default=room, at_least=0)
    numerics = preset.options.choice("numerics", ("fast", "exact"), default="fast")
    preset.options.refuse_unread()
    return PimBackend(name, architecture, min(capacity_bytes, room), numerics == "exact")
