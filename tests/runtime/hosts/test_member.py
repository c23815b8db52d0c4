"""What runs on a host, without an engine between."""

import pickle
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

from stagecut.compiler.formats.slice_file import write_slice
from stagecut.compiler.ir.errors import DeviceError
from stagecut.runtime.hosts.cache import slice_id
from stagecut.runtime.hosts.groups import HostGroup
from stagecut.runtime.hosts.member import HostFault, Member, Prober, Source, _in_plain_words
from tests.support.staged import staged

X = np.array([-1.0, 2.0], np.float32)


@pytest.fixture
def member(tmp_path: Path) -> Member:
    model = "g (float[2] x) => (float[2] y) { [a] u = Relu(x)  [b] y = Neg(u) }"
    group = HostGroup("b", 0, staged(model, "run b.null: a, b"), ("x",), ("y",))
    path = tmp_path / "slice"
    spec = "b.null=null:memory=host,basis=measured"
    write_slice(path, group.staged, {"b.null": spec}, group.reads, group.writes)
    wanted = slice_id(path)
    source = Source([(wanted.sha256, str(path))])
    return Member(wanted, lambda at, length: source.read(wanted.sha256, at, length))


def test_it_sets_itself_up_with_its_first_call(member: Member) -> None:
    before_s = perf_counter()
    y, (begun_s, *times_s) = member.run(X)
    np.testing.assert_array_equal(y, [0, -2])
    assert len(times_s) == 1
    assert times_s[0] > 0
    assert before_s < begun_s < perf_counter()


def test_a_file_that_is_written_to_is_fetched_anew(member: Member, tmp_path: Path) -> None:
    member.ready()
    [kept] = (tmp_path / "cache").rglob("*.slice")
    data = bytearray(kept.read_bytes())
    data[len(data) // 2] ^= 255
    kept.write_bytes(data)
    np.testing.assert_array_equal(member.run(X)[0], [0, -2])


def test_errors_travel_in_plain_words() -> None:
    with pytest.raises(HostFault) as caught, _in_plain_words():
        raise DeviceError("is missing", where="here", fix="add it")
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert (again.problem, again.where, again.fix, again.is_range) == (
        "is missing", "here", "add it", False
    )  # fmt: skip


def test_a_prober_says_what_is_here_and_carries_what_it_is_given() -> None:
    prober = Prober()
    _, cpu, cpus, memory_bytes = prober.about()
    assert cpu
    assert cpus >= 1
    assert memory_bytes > 2**20
    assert prober.take(X) == 8
    assert prober.give(100).nbytes == 100
    assert prober.worked_s() > 0
    assert prober.worked_s() == 0


def test_a_source_counts_what_it_hands_out(tmp_path: Path) -> None:
    (tmp_path / "slice").write_bytes(b"0123456789")
    source = Source([("a", str(tmp_path / "slice"))])
    assert source.read("a", 8, 4) == b"89"
    assert source.read("a", 0, 4) == b"0123"
    assert source.sent_bytes() == 6
