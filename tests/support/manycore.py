"""Many-core chips and devices by spec, and the kernels that work is made of."""

from collections.abc import Iterable, Iterator

from stagecut import backends
from stagecut.backends.manycore.chip import PRESETS, Chip, chip_of
from stagecut.backends.manycore.device import ManycoreBackend
from stagecut.backends.manycore.work import Chain, Work


def chip(precision: str = "fp64", **options: str) -> Chip:
    """`manycore.snitch16`, with changes."""
    given = {"precision": precision, **options}
    return chip_of(PRESETS.preset("manycore.snitch16", given))


def manycore(spec: str) -> ManycoreBackend:
    backend = backends.create(spec)
    assert isinstance(backend, ManycoreBackend)
    return backend


def unchained(works: Iterable[Work]) -> Iterator[Work]:
    """Each kernel of a chain by itself."""
    for work in works:
        yield from work.links if isinstance(work, Chain) else (work,)
