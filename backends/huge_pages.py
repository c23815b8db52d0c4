"""Put what engines make of weights on huge pages: each run reads all of it, once.

before     3 MiB in pages of 4 KiB        an address to look up, and reading ahead to stop, for each
after      a page of 2 MiB, 1 MiB as it was

Linux gives huge pages to memory that asks for them (`transparent_hugepage` is `madvise` on most
systems), and engines do not ask. A step of a language model, which reads 0.5 GB for each token,
takes a seventh less processor time with them (backends/cpu/README.md).
"""

import ctypes
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
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
_NODES = Path("/sys/devices/system/node")

#: Where Linux tells that a page is there (Documentation/admin-guide/mm/pagemap.rst).
_PRESENT = np.uint64(1 << 63)
_ENTRY_BYTES = 8

#: Put the pages of a range on huge ones now, whatever was asked for them: since Linux 6.1.
_COLLAPSE = 25

#: Readable and writeable memory of this process alone that belongs to no file.
_ANONYMOUS = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw.p \S+ \S+ 0\s*(\[heap\]|\[anon:.*\])?$")

#: The number of the system call that sets the rule by which memory is taken from nodes (mbind(2)),
#: for which the C library has no name.
_MBIND = {"x86_64": 237, "aarch64": 235}

#: The largest block that glibc can be led to take from its heap (mallopt(3), M_MMAP_THRESHOLD).
_HEAP_BLOCK_BYTES = 31 << 20

#: The largest heap that glibc makes for threads; each begins at a multiple of it, with its
#: `heap_info`, whose fourth number is `mprotect_size` (malloc/arena.c).
_THREAD_HEAP_BYTES = 64 << 20
_NUMBER_BYTES = 8
_WRITEABLE_AT = 3 * _NUMBER_BYTES

#: Where memory begins and ends.
Range: TypeAlias = tuple[int, int]


@contextmanager
def on_huge_pages(weights_bytes: int) -> Iterator[None]:
    """Put what is allocated meanwhile on huge pages, where a stage with so many bytes of weights is
    prepared; with few, nothing is done, nor where Linux cannot.

    Of the heaps of malloc, whose free parts are used again, that is all of them, whoever has it; of
    other memory what is new. What was not touched stays untouched, but what was only read takes
    memory then.
    """
    _lay_blocks_side_by_side()
    size = _huge_bytes()
    if weights_bytes < WORTH_BYTES or not size:
        yield
        return
    known = [(first, end) for first, end, heap in _anonymous() if not heap]
    yield
    if _nodes() == 1:
        for part in [*_used(known)]:
            _lay_under_one_rule(*part)
    for part in [*_used(known)]:
        for block in _written(part, size):
            _collapse(*block)


def _used(known: Sequence[Range]) -> Iterator[Range]:
    """What may have been allocated where these were known of what is no heap."""
    for first, end, heap in _anonymous():
        yield from [(first, end)] if heap else _without((first, end), known)


@cache
def _lay_blocks_side_by_side() -> None:
    """Once a process, whose malloc keeps to it: glibc maps each large block by itself until it has
    seen a larger one freed, and few whole huge pages fit into each. Engines whose packed weights
    lie so take longer: ONNX Runtime, which has nothing to free where it reads a file in place, 2
    to 3 %, OpenVINO 7 % with bert-base at 16 tokens."""
    block = np.empty(_HEAP_BLOCK_BYTES, np.uint8)
    del block


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
    """The parts of this process's memory that belong to no file, and whether they are of a heap of
    malloc: the one that all processes have, or those that glibc makes for threads."""
    try:
        lines = (process / "maps").read_text().splitlines()
    except OSError:
        return
    run: list[tuple[int, int, bool]] = []  # side by side: engines may give each block its own rules
    for found in filter(None, map(_ANONYMOUS.match, lines)):
        part = int(found[1], 16), int(found[2], 16), found[3] == "[heap]"
        if run and run[-1][1] != part[0]:
            yield from _told_apart(run, process)
            run = []
        run.append(part)
    yield from _told_apart(run, process)


def _told_apart(
    run: Sequence[tuple[int, int, bool]], process: Path
) -> Iterator[tuple[int, int, bool]]:
    """The same, with the heaps of threads cut out of what lies beside them."""
    if not run:
        return
    heaps = [*_heaps_of_threads(run[0][0], run[-1][1], process)]
    for first, end, heap in run:
        yield from ((*part, heap) for part in _without((first, end), heaps))
        inside = ((max(first, start), min(end, stop)) for start, stop in heaps)
        yield from ((start, stop, True) for start, stop in inside if start < stop)


def _heaps_of_threads(first: int, end: int, process: Path) -> Iterator[Range]:
    """Those that glibc has made between these addresses: each begins with how much of it can be
    written, and what can be written ends there or where the largest heap does."""
    for begin in range(
        -(-first // _THREAD_HEAP_BYTES) * _THREAD_HEAP_BYTES, end, _THREAD_HEAP_BYTES
    ):
        stop = min(end, begin + _THREAD_HEAP_BYTES)
        if _number_at(begin + _WRITEABLE_AT, process) == stop - begin:
            yield begin, stop


def _number_at(address: int, process: Path) -> int:
    """What this process has there; 0 where it is not told."""
    try:
        with (process / "mem").open("rb") as file:
            file.seek(address)
            return int.from_bytes(file.read(_NUMBER_BYTES), sys.byteorder)
    except OSError:
        return 0


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


@cache
def _nodes(folder: Path = _NODES) -> int:
    """How many parts of memory are near some CPUs and far from others."""
    return len([*folder.glob("node[0-9]*")]) or 1


def _lay_under_one_rule(first: int, end: int) -> None:
    """OpenVINO tells Linux for each block of weights from which node its memory is to come, and no
    huge page lies under two such rules, even where they say the same: with a single node, the
    usual rule does for all."""
    if number := _MBIND.get(platform.machine()):
        usual, none = ctypes.c_int(0), ctypes.c_ulong(0)
        address, count = ctypes.c_void_p(first), ctypes.c_ulong(end - first)
        ctypes.CDLL(None).syscall(ctypes.c_long(number), address, count, usual, None, none, none)


def _collapse(first: int, end: int) -> None:
    """Where Linux has no huge page left, or does not know how, all stays as it was."""
    ctypes.CDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(end - first), _COLLAPSE)
