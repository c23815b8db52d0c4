"""Many-core chips and devices by spec."""

from stagecut import backends
from stagecut.backends.manycore.chip import PRESETS, Chip, chip_of
from stagecut.backends.manycore.device import ManycoreBackend


def chip(precision: str = "fp64", **options: str) -> Chip:
    """`manycore.snitch16`, with changes."""
    given = {"precision": precision, **options}
    return chip_of(PRESETS.preset("manycore.snitch16", given))


def manycore(spec: str) -> ManycoreBackend:
    backend = backends.create(spec)
    assert isinstance(backend, ManycoreBackend)
    return backend
