"""How much memory is left, and tensors that there is no room for."""

from pathlib import Path

import pytest

from stagecut.compiler.ir.errors import ShapeError
from stagecut.compiler.measure import memory
from stagecut.compiler.measure.memory import Resident, check_room, resident, usable_bytes

_INFO = "MemTotal:  9999 kB\nMemAvailable:    2048 kB\nSwapTotal: 0 kB\n"

CASES: dict[str, tuple[str, dict[str, str], int]] = {
    "what Linux has left": (_INFO, {}, 2048 * 1024),
    "version 2 grants less": (_INFO, {"memory.max": "1000\n"}, 1000),
    "version 2 grants all": (_INFO, {"memory.max": "max\n"}, 2048 * 1024),
    "version 1 grants less": (_INFO, {"memory.limit_in_bytes": "1000\n"}, 1000),
    "version 2, some of it in use": (_INFO, {"memory.max": "1000", "memory.current": "400"}, 600),
    "version 2, files are given up": (
        _INFO,
        {
            "memory.max": "1000",
            "memory.current": "900",
            "memory.stat": "anon 1\nfile 600\ninactive_file 200\nactive_file 300\nodd\n",
        },
        600,
    ),
    "version 1, with the groups below": (
        _INFO,
        {
            "memory.limit_in_bytes": "1000",
            "memory.usage_in_bytes": "900",
            "memory.stat": "inactive_file 7\ntotal_inactive_file 100\ntotal_active_file 50\n",
        },
        250,
    ),
    "more in use than is granted": (_INFO, {"memory.max": "10", "memory.current": "40"}, 0),
    "a limit of less than nothing is none": (_INFO, {"memory.max": "-1\n"}, 2048 * 1024),
    "something else in the files": (
        _INFO,
        {"memory.max": "1000", "memory.current": "much", "memory.stat": "active_file lots"},
        1000,
    ),
    "nothing is told": ("", {}, 1 << 63),
}


@pytest.mark.parametrize(("info", "files", "expected"), CASES.values(), ids=CASES.keys())
def test_usable_bytes(
    info: str,
    files: dict[str, str],
    expected: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "meminfo").write_text(info)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(memory, "groups", lambda controller, process: [tmp_path])
    assert usable_bytes(tmp_path / "meminfo") == expected


def test_what_a_process_has(tmp_path: Path) -> None:
    (tmp_path / "status").write_text("Name:\tx\nVmHWM:\t    20 kB\nVmRSS:\t    10 kB\n")
    assert resident(tmp_path) == Resident(steady_bytes=10240, peak_bytes=20480)
    assert resident(tmp_path / "elsewhere") == Resident(0, 0)
    assert 0 < resident().steady_bytes <= resident().peak_bytes


def test_there_is_some_memory() -> None:
    assert 0 < usable_bytes() < 1 << 63


def test_room_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "usable_bytes", lambda: 1 << 20)
    check_room(1 << 20, "input x")
    with pytest.raises(ShapeError, match=r"takes 2\.00 MiB, and 1\.00 MiB of memory are left"):
        check_room(1 << 21, "input x")
