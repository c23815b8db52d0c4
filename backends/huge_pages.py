"""Put what engines make of weights on huge pages: each run reads all of it, once.

before     3 MiB in pages of 4 KiB        an address to look up, and reading ahead to stop, for each
after      a page of 2 MiB, 1 MiB as it was

Linux gives huge pages to memory that asks for them (`transparent_hugepage` is `madvise` on most
systems), and engines do not ask. A step of a language model, which reads 0.5 GB for each token,
takes a seventh less processor time with them (backends/cpu/README.md).
"""

import ctypes
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from mmap import PAGESIZE
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

#: What caches and what CPUs remember of addresses hold less than this.
WORTH_BYTES = 16 << 20

_SELF = Path("/proc/self")
_HUGE = Path("/sys/kernel/mm/transparent_hugepage")

#: Where Linux tells that a page is there (Documentation/admin-guide/mm/pagemap.rst).
_PRESENT = np.uint64(1 << 63)
_ENTRY_BYTES = 8

#: Put the pages of a range on huge ones now, whatever was asked for them: since Linux 6.1.
_COLLAPSE = 25

#: Readable and writeable memory of this process alone that belongs to no file.
_ANONYMOUS = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw.p \S+ \S+ 0\s*(\[heap\]|\[anon:.*\])?$")

#: Where memory begins and ends.
Range: TypeAlias = tuple[int, int]


@contextmanager
def on_huge_pages(weights_bytes: int) -> Iterator[None]:
    """Put what is allocated meanwhile on huge pages, where a stage with so many bytes of weights is
    prepared; with few, nothing is done, nor where Linux cannot.

    Of the heap, whose free parts are used again, that is all of it, whoever has it; of other memory
    what is new. What was not touched stays untouched, but what was only read takes memory then.
    """
    size = _huge_bytes()
    if weights_bytes < WORTH_BYTES or not size:
        yield
        return
    known = [(first, end) for first, end, heap in _anonymous() if not heap]
    yield
    for first, end, heap in [*_anonymous()]:
        for part in [(first, end)] if heap else _without((first, end), known):
            for block in _written(part, size):
                _collapse(*block)


def weight_bytes(model: ir.Model) -> int:
    """Of all weights of a stage."""
    known = (value.const_value for value in model.graph.initializers.values())
    return sum(tensor.nbytes for tensor in known if tensor is not None)


@cache
def _huge_bytes(folder: Path = _HUGE) -> int:
    """The size of a huge page; 0 where there are none, or where there are to be none."""
    try:
        never = "[never]" in (folder / "enabled").read_text()
        return 0 if never else int((folder / "hpage_pmd_size").read_text())
    except (OSError, ValueError):
        return 0


def _anonymous(process: Path = _SELF) -> Iterator[tuple[int, int, bool]]:
    """The parts of this process's memory that belong to no file, and whether it is the heap."""
    try:
        lines = (process / "maps").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        if found := _ANONYMOUS.match(line):
            yield int(found[1], 16), int(found[2], 16), found[3] == "[heap]"


def _without(whole: Range, known: Iterable[Range]) -> Iterator[Range]:
    """What of `whole` is in none of `known`, which are in order."""
    first, end = whole
    for start, stop in known:
        if stop <= first or start >= end:
            continue
        if first < start:
            yield first, start
        first = stop
    if first < end:
        yield first, end


def _written(memory: Range, size: int) -> Iterator[Range]:
    """The parts of it that are whole huge pages, each page of which is there."""
    first, end = -(-memory[0] // size) * size, memory[1] // size * size
    if first >= end:
        return
    try:
        with (_SELF / "pagemap").open("rb") as file:
            file.seek(first // PAGESIZE * _ENTRY_BYTES)
            told = file.read((end - first) // PAGESIZE * _ENTRY_BYTES)
    except OSError:
        return
    pages = (np.frombuffer(told, np.uint64) & _PRESENT) != 0
    there = pages.reshape(-1, size // PAGESIZE).all(axis=1)
    edges = np.flatnonzero(np.diff(there, prepend=False, append=False))
    for start, stop in edges.reshape(-1, 2).tolist():
        yield first + start * size, first + stop * size


def _collapse(first: int, end: int) -> None:
    """Where Linux has no huge page left, or does not know how, all stays as it was."""
    ctypes.CDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(end - first), _COLLAPSE)
