"""What CPUs share, from files as Linux has them; lists of CPUs as users write them."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.measure.topology import (
    Group,
    cpu_list,
    keep_to,
    parse_cpus,
    topology,
)


def _machine(folder: Path, cpus: Sequence[Mapping[str, str]]) -> Path:
    """The files of each CPU; `node` is the NUMA node that it is near to."""
    for number, files in enumerate(cpus):
        place = folder / "cpu" / f"cpu{number}"
        for name, text in files.items():
            if name != "node":
                _write(place / name, text)
                continue
            (place / f"node{text}").mkdir(parents=True)
            near = [str(at) for at, each in enumerate(cpus) if each.get("node") == text]
            _write(folder / "node" / f"node{text}" / "cpulist", ",".join(near))
    return folder


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def _cpu(core: str, l2: str, package: str, **more: str) -> dict[str, str]:
    return {
        "topology/physical_package_id": "0",
        "topology/package_cpus_list": package,
        "topology/thread_siblings_list": core,
        "cache/index0/level": "1",
        "cache/index0/shared_cpu_list": core,
        "cache/index2/level": "2",
        "cache/index2/size": "1024K",
        "cache/index2/shared_cpu_list": l2,
        **more,
    }


def _text(groups: Sequence[Group], depth: int = 0) -> str:
    return "".join(
        f"{'  ' * depth}{group.name} {cpu_list(group.cpus)}\n{_text(group.groups, depth + 1)}"
        for group in groups
    )


def test_clusters_and_nodes(tmp_path: Path) -> None:
    """Two clusters of two cores share a cache each, and lie at two nodes."""
    cpus = [_cpu(str(at), "0-1" if at < 2 else "2-3", "0-3", node=str(at // 2)) for at in range(4)]
    assert _text(topology(range(4), _machine(tmp_path, cpus))) == (
        "package 0 0-3\n"
        "  NUMA node 0 0-1\n"
        "    L2 0-1\n"
        "      core 0\n"
        "      core 1\n"
        "  NUMA node 1 2-3\n"
        "    L2 2-3\n"
        "      core 2\n"
        "      core 3\n"
    )


def test_only_what_may_be_used(tmp_path: Path) -> None:
    """Threads 0 and 2 are one core, 1 and 3 the other; 3 may not be used."""
    cpus = [_cpu(core, core, "0-3") for core in ("0,2", "1,3", "0,2", "1,3")]
    groups = topology([0, 1, 2], _machine(tmp_path, cpus))
    assert _text(groups) == ("package 0 0-2\n  L2 0, 2\n    core 0, 2\n  L2 1\n    core 1\n")
    assert groups[0].groups[0].size_bytes == 2**20


def test_a_machine_about_which_nothing_is_known(tmp_path: Path) -> None:
    assert topology([3, 5], tmp_path) == (Group("CPU", (3,)), Group("CPU", (5,)))


def test_files_that_make_no_sense(tmp_path: Path) -> None:
    cpu = _cpu("0", "what", "0-", **{"cache/index3/level": "three", "cache/index2/size": "?"})
    assert _text(topology([0], _machine(tmp_path, [cpu]))) == "core 0\n"


def test_this_machine() -> None:
    groups = topology()
    assert {cpu for group in groups for cpu in group.cpus} == os.sched_getaffinity(0)


LISTS = {
    "0": (0,),
    "0-3": (0, 1, 2, 3),
    "8, 0-1": (0, 1, 8),
    "1-2,2-3": (1, 2, 3),
}


@pytest.mark.parametrize(("text", "cpus"), LISTS.items())
def test_reading_a_list(text: str, cpus: tuple[int, ...]) -> None:
    assert parse_cpus(text) == cpus


@pytest.mark.parametrize("text", ["", "a", "3-1", "0,,1", "-1", "0x3", "1-2-3", "999999", "٣"])
def test_refusing_a_list(text: str) -> None:
    with pytest.raises(UsageError, match="no list of CPUs") as error:
        parse_cpus(text)
    assert "0-7" in error.value.fix


def test_a_list_as_text() -> None:
    assert cpu_list([0, 1, 2, 3, 8, 10, 11]) == "0-3, 8, 10-11"
    assert cpu_list([]) == ""


def test_keeping_to_some() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        keep_to([min(allowed)])
        assert os.sched_getaffinity(0) == {min(allowed)}
    finally:
        os.sched_setaffinity(0, allowed)


def test_cpus_that_are_not_there() -> None:
    with pytest.raises(UsageError, match="CPU 65000 is not there") as error:
        keep_to([65000])
    assert "--topology" in error.value.fix
