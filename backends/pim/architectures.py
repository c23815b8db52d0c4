"""Builds the architecture that a preset describes from the sections of the preset."""

from collections.abc import Callable, Mapping

from stagecut.backends.pim.architecture import Architecture
from stagecut.backends.presets import Preset, Presets


def architecture_of(preset: Preset) -> Architecture:
    """The model of `preset`. Raises DeviceError, with its name, for a number it does not cover."""
    with preset.explaining():
        return _MAKERS[preset.architecture](preset)


def _hbm(preset: Preset) -> Architecture:
    from stagecut.backends.pim.hbm.energy import Energy
    from stagecut.backends.pim.hbm.intervals import Intervals
    from stagecut.backends.pim.hbm.model import HbmPim
    from stagecut.backends.pim.hbm.parameters import Geometry, Host, Kernels, Timing

    timing, geometry = Timing(**preset.section("timing")), Geometry(**preset.section("geometry"))
    host, kernels = Host(**preset.section("host")), Kernels(**preset.section("kernels"))
    return HbmPim(Intervals(timing, geometry), host, Energy(**preset.section("energy")), kernels)


def _aim(preset: Preset) -> Architecture:
    from stagecut.backends.pim.aim.model import Aim
    from stagecut.backends.pim.aim.parameters import Energy, Geometry, Host, Timing

    timing, geometry = Timing(**preset.section("timing")), Geometry(**preset.section("geometry"))
    host = Host(**preset.section("host"))
    return Aim(timing, geometry, host, Energy(**preset.section("energy")))


def _silent(preset: Preset) -> Architecture:
    from stagecut.backends.pim.silent.model import SilentPim
    from stagecut.backends.pim.silent.parameters import Copies, Energy, Geometry, Rates

    rates, geometry = Rates(**preset.section("rates")), Geometry(**preset.section("geometry"))
    copies = Copies(**preset.section("copies"))
    return SilentPim(rates, geometry, copies, Energy(**preset.section("energy")))


_MAKERS: Mapping[str, Callable[[Preset], Architecture]] = {
    "hbm": _hbm,
    "aim": _aim,
    "silent": _silent,
}

PRESETS = Presets("pim", "stagecut.backends.pim", tuple(_MAKERS))
