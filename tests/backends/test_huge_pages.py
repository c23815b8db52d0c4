"""What is allocated meanwhile lies on huge pages, and nothing else does; tried with memory that is
mapped here, and with what a session makes of its weights."""

import ctypes
import mmap
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.backends import create, huge_pages
from stagecut.backends.huge_pages import WORTH_BYTES, Range, on_huge_pages, weight_bytes
from stagecut.compiler.ir.device import StageProgram
from stagecut.compiler.ir.graph import Value

SIZE = huge_pages._huge_bytes() or 1 << 21
PLACES = st.integers(0, 12)


class Memory:
    """So many whole huge pages of private memory; `apart` from others in what Linux tells of it."""

    def __init__(self, pages: int, *, apart: bool = False) -> None:
        self._map = mmap.mmap(-1, (pages + 1) * SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if apart:
            self._map.madvise(mmap.MADV_DONTFORK)
        first = np.frombuffer(self._map, np.uint8).ctypes.data
        self._skipped = -first % SIZE
        self.range: Range = (first + self._skipped, first + self._skipped + pages * SIZE)

    @property
    def array(self) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
        first, end = self.range
        return np.frombuffer(self._map, np.uint8, end - first, self._skipped)

    @property
    def huge_bytes(self) -> int:
        return huge_bytes(*self.range)


def huge_bytes(first: int, end: int) -> int:
    """How much lies on huge pages of the mappings that are between these addresses."""
    found, between = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if area := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            between = int(area[1], 16) < end and first < int(area[2], 16)
        elif between and line.startswith("AnonHugePages:"):
            found += int(line.split()[1]) << 10
    return found


@pytest.fixture
def able() -> None:
    """Skips where Linux has no huge page for us."""
    tried = Memory(1)
    tried.array[:] = 1
    address, count = ctypes.c_void_p(tried.range[0]), ctypes.c_size_t(SIZE)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.madvise(address, count, huge_pages._COLLAPSE):
        pytest.skip(f"Linux gives no huge page: errno {ctypes.get_errno()}")


@pytest.mark.usefixtures("able")
def test_what_is_written_meanwhile_lies_on_huge_pages_and_is_the_same() -> None:
    numbers = np.random.default_rng(0).integers(0, 255, 3 * SIZE, np.uint8)
    earlier = Memory(3, apart=True)
    earlier.array[:] = numbers
    with on_huge_pages(WORTH_BYTES):
        later = Memory(3)
        later.array[:] = numbers
    assert later.huge_bytes == 3 * SIZE
    assert earlier.huge_bytes == 0
    assert np.array_equal(later.array, numbers)


@pytest.mark.usefixtures("able")
def test_no_page_is_written_that_nobody_wrote() -> None:
    with on_huge_pages(WORTH_BYTES):
        memory = Memory(3)
        memory.array[: SIZE + mmap.PAGESIZE] = 1
        memory.array[2 * SIZE :] = 1
    assert memory.huge_bytes == 2 * SIZE
    [*written] = huge_pages._written(memory.range, SIZE)
    first = memory.range[0]
    assert written == [(first, first + SIZE), (first + 2 * SIZE, first + 3 * SIZE)]


@pytest.mark.usefixtures("able")
def test_few_weights_are_left_where_they_are() -> None:
    with on_huge_pages(WORTH_BYTES - 1):
        memory = Memory(2)
        memory.array[:] = 1
    assert memory.huge_bytes == 0


def test_without_huge_pages_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huge_pages, "_huge_bytes", lambda: 0)
    monkeypatch.setattr(huge_pages, "_anonymous", lambda: pytest.fail("looked at memory"))
    with on_huge_pages(WORTH_BYTES):
        pass


@pytest.mark.parametrize(
    ("enabled", "size"), [("always", 1 << 21), ("madvise", 1 << 21), ("never", 0)]
)
def test_who_wants_no_huge_pages_has_none(tmp_path: Path, enabled: str, size: int) -> None:
    (tmp_path / "hpage_pmd_size").write_text(f"{1 << 21}\n")
    kinds = (f"[{each}]" if each == enabled else each for each in ("always", "madvise", "never"))
    (tmp_path / "enabled").write_text(" ".join(kinds) + "\n")
    assert huge_pages._huge_bytes.__wrapped__(tmp_path) == size


def test_what_linux_does_not_tell_is_no_error(tmp_path: Path) -> None:
    assert huge_pages._huge_bytes.__wrapped__(tmp_path / "nothing") == 0
    assert [*huge_pages._anonymous(tmp_path)] == []


#: What Linux tells of memory, and what of it belongs to no file, and whether it is of a heap.
TOLD = {
    "files, a stack and memory that is shared": (
        "55d0c8a00000-55d0c8c00000 rw-p 00000000 00:00 0                          [heap]\n"
        "7f0000000000-7f0000400000 rw-p 00000000 00:00 0 \n"
        "7f0000400000-7f0000800000 ---p 00000000 00:00 0 \n"
        "7f0000800000-7f0000c00000 rw-s 00000000 00:01 7                          /dev/zero\n"
        "7f0000c00000-7f0001000000 rw-p 00000000 fe:00 1234                       /a.plan\n"
        "7f0001000000-7f0001400000 rw-p 00000000 00:00 0                          "
        "[anon: glibc: malloc]\n"
        "7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]\n",
        [
            (0x55D0C8A00000, 0x55D0C8C00000, True),
            (0x7F0000000000, 0x7F0000400000, False),
            (0x7F0001000000, 0x7F0001400000, False),
        ],
    ),
    "heaps of threads in two parts, whole, and beside other memory": (
        "100000000-100200000 rw-p 00000000 00:00 0 \n"
        "100200000-100800000 rw-p 00000000 00:00 0 \n"
        "100800000-104000000 ---p 00000000 00:00 0 \n"
        "107e00000-110400000 rw-p 00000000 00:00 0 \n"
        "110400000-114000000 ---p 00000000 00:00 0 \n"
        "118000000-120200000 rw-p 00000000 00:00 0 \n",
        [
            (0x100000000, 0x100200000, True),
            (0x100200000, 0x100800000, True),
            (0x107E00000, 0x108000000, False),
            (0x108000000, 0x10C000000, True),
            (0x10C000000, 0x110000000, True),
            (0x110000000, 0x110400000, True),
            (0x11C000000, 0x120000000, True),
            (0x118000000, 0x11C000000, False),
            (0x120000000, 0x120200000, False),
        ],
    ),
}

#: Where glibc's heaps of threads begin, and how much of each can be written.
HEAPS = {
    0x100000000: 8 << 20,
    0x108000000: 64 << 20,
    0x10C000000: 64 << 20,
    0x110000000: 4 << 20,
    0x11C000000: 64 << 20,
}


@pytest.mark.parametrize(("maps", "expected"), TOLD.values(), ids=[*TOLD])
def test_memory_that_belongs_to_no_file_is_found(
    tmp_path: Path, maps: str, expected: list[tuple[int, int, bool]]
) -> None:
    (tmp_path / "maps").write_text(maps)
    with (tmp_path / "mem").open("wb") as memory:
        for begin, writeable in HEAPS.items():
            memory.seek(begin + 24)
            memory.write(writeable.to_bytes(8, sys.byteorder))
    assert sorted(huge_pages._anonymous(tmp_path)) == sorted(expected)


@pytest.mark.usefixtures("able")
@pytest.mark.parametrize("kept", [0, 10], ids=["one heap", "heaps side by side"])
def test_what_a_thread_takes_again_of_its_heaps_lies_on_huge_pages(kept: int) -> None:
    """Malloc hands memory out that it has had for a long time."""
    with ThreadPoolExecutor(1) as pool:
        earlier = pool.submit(_taken_and_freed, kept).result()
        with on_huge_pages(WORTH_BYTES):
            block = pool.submit(_written_block).result()
    assert len(earlier) == kept
    first = np.frombuffer(block, np.uint8).ctypes.data
    assert huge_bytes(first, first + len(block)) >= 3 * SIZE


def _taken_and_freed(kept: int) -> list[bytes]:
    """What stays of it: so many blocks."""
    with on_huge_pages(0):  # from now on large blocks lie in the heap
        blocks = [_written_block() for _ in range(kept + 1)]
    return blocks[:kept]


def _written_block() -> bytes:
    """By malloc: numpy would ask for huge pages itself."""
    return b"\1" * (4 * SIZE)


@pytest.mark.parametrize(
    ("names", "count"), [(["node0", "online"], 1), (["node0", "node1", "possible"], 2), ([], 1)]
)
def test_nodes_are_counted(tmp_path: Path, names: Sequence[str], count: int) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert huge_pages._nodes.__wrapped__(tmp_path) == count
    assert huge_pages._nodes.__wrapped__(tmp_path / "nothing") == 1


@pytest.mark.usefixtures("able")
def test_blocks_that_have_rules_of_their_own_share_huge_pages() -> None:
    """As OpenVINO's have: a part of this memory is bound to the one node that there is."""
    if huge_pages._nodes() > 1 or platform.machine() not in huge_pages._MBIND:
        pytest.skip("several nodes, or none that Linux tells of")
    memory = Memory(2)
    memory.array[:] = 1
    libc, mask = ctypes.CDLL(None, use_errno=True), ctypes.c_ulong(1)
    number = ctypes.c_long(huge_pages._MBIND[platform.machine()])
    first, half = memory.range[0] + mmap.PAGESIZE, SIZE // 2
    place, count, bound = ctypes.c_void_p(first), ctypes.c_ulong(half), ctypes.c_int(2)
    flags, bits = ctypes.c_uint(0), ctypes.c_ulong(64)
    if libc.syscall(number, place, count, bound, ctypes.byref(mask), bits, flags):
        pytest.skip(f"Linux binds no memory: errno {ctypes.get_errno()}")
    huge_pages._collapse(*memory.range)
    assert memory.huge_bytes < 2 * SIZE
    huge_pages._lay_under_one_rule(*memory.range)
    huge_pages._collapse(*memory.range)
    assert memory.huge_bytes == 2 * SIZE


@given(st.tuples(PLACES, PLACES), st.lists(PLACES, unique=True).map(sorted))
def test_what_is_new_is_what_was_in_no_range_before(whole: Range, edges: list[int]) -> None:
    known = [*zip(edges[::2], edges[1::2], strict=False)]
    expected = {at for at in range(*whole) if not any(at in range(*each) for each in known)}
    found = [*huge_pages._without(whole, known)]
    assert [at for each in found for at in range(*each)] == sorted(expected)
    assert all(first < end for first, end in found)


@pytest.mark.usefixtures("able")
@pytest.mark.parametrize(
    ("device", "itemsize"),
    [("cpu.serial", 4), ("cpu.int8.serial", 1), ("openvino.f32.serial", 4)],
)
def test_what_an_engine_makes_of_weights_is_put_there(
    device: str, itemsize: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if device.startswith("openvino"):
        pytest.importorskip("openvino")
    put: list[int] = []
    collapse = huge_pages._collapse

    def noting(first: int, end: int) -> None:
        put.append(end - first)
        collapse(first, end)

    monkeypatch.setattr(huge_pages, "_collapse", noting)
    monkeypatch.setattr(huge_pages, "WORTH_BYTES", 1 << 20)
    stage = product()
    execute = create(device).prepare(stage)
    assert sum(put) >= weight_bytes(stage.model) * itemsize / 4 - 2 * SIZE
    x = np.ones((1, 2048), np.float32)
    [y] = execute([x])
    assert np.allclose(y, x @ stage.weight("w"), atol=0.02 * np.abs(y).max())


def product() -> StageProgram:
    """A product with 32 MiB of weights."""
    weight = np.random.default_rng(0).standard_normal((2048, 4096), np.float32)
    x = ir.Value(name="x", shape=ir.Shape([1, 2048]), type=ir.TensorType(ir.DataType.FLOAT))
    w = ir.Value(
        name="w",
        shape=ir.Shape([2048, 4096]),
        type=ir.TensorType(ir.DataType.FLOAT),
        const_value=ir.tensor(weight),
    )
    node = ir.node("MatMul", [x, w], name="a")
    [y] = node.outputs
    y.name, y.type, y.shape = "y", x.type, ir.Shape([1, 4096])
    graph = ir.Graph([x], [y], nodes=[node], initializers=[w], opset_imports={"": 21}, name="g")
    ports = Value("x", "float32", (1, 2048)), Value("y", "float32", (1, 4096))
    return StageProgram("g", ir.Model(graph, ir_version=10), ports[:1], ports[1:])


#: Whether malloc maps a block of 8 MiB by itself, before and after.
PROBE = """
import ctypes
from stagecut.backends import huge_pages

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena o s hblks e f g h i j".split()]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Info
libc.malloc.restype = ctypes.c_void_p

def mapped():
    before = libc.mallinfo2().hblks
    libc.malloc(ctypes.c_size_t(8 << 20))
    return libc.mallinfo2().hblks - before

before = mapped()
with huge_pages.on_huge_pages(0):
    print(before, mapped())
"""


def test_large_blocks_come_from_the_heap_once_something_is_prepared() -> None:
    if not hasattr(ctypes.CDLL(None), "mallinfo2"):
        pytest.skip("this is not glibc")
    told = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, check=True
    ).stdout
    assert told.split() == ["1", "0"]
