"""The threads of a session: one set for each layout, none without inputs, none left behind."""

import gc
import subprocess
import sys
import threading
import time
from typing import cast

import pytest

from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.errors import ClosedError
from stagecut.runtime.stream.streams import Streams, limit_of
from stagecut.runtime.variant import Variant
from tests.support.fake_variant import FakeVariant, item, stream_of
from tests.support.repository import ROOT


def _same(array: Tensor) -> Tensor:
    return array


def _threads() -> int:
    return len([each for each in threading.enumerate() if each.name.startswith("stagecut")])


def test_variants_of_one_layout_share_their_threads() -> None:
    streams = Streams()
    alike = [FakeVariant(_same, stream=stream_of(2)) for _ in range(3)]
    other = FakeVariant(_same, _same)
    for variant in (*alike, other):
        streams.submit(one := item(variant, 7), "block")
        assert one.future.result(10)[0].tolist() == [7]
    assert _threads() == 2 + 2
    stats = streams.stats(0.0)
    assert [(stage.name, stage.replicas) for stage in stats.stages] == [
        ("stage 0 on cpu0", 2),
        ("stage 0 on cpu0", 1),
        ("stage 1 on cpu1", 1),
    ]
    assert stats.outputs == 4
    assert [(call.stage, call.inputs) for call in streams.trace().calls][-2:] == [(1, 1), (2, 1)]
    streams.close(cancel=False)
    assert _threads() == 0


def test_the_largest_limit() -> None:
    variants = [FakeVariant(_same, stream=stream_of(count)) for count in (1, 3, 2)]
    assert limit_of(cast("list[Variant]", variants)) == 4


def test_closed_is_closed() -> None:
    streams = Streams()
    streams.close(cancel=False)
    streams.close(cancel=True)
    for take in (streams.try_submit, streams.enqueue):
        with pytest.raises(ClosedError, match="is closed, and takes no more inputs"):
            take(item(FakeVariant(_same), 1))
    assert _threads() == 0


def test_threads_go_with_their_session_and_not_before_everything_is_answered() -> None:
    def slow(array: Tensor) -> Tensor:
        time.sleep(0.01)
        return array

    streams = Streams()
    items = [item(FakeVariant(slow, slow), number) for number in range(5)]
    for one in items:
        streams.enqueue(one)
    futures = [one.future for one in items]
    del streams, items, one
    gc.collect()
    assert [future.result(10)[0].tolist() for future in futures] == [[n] for n in range(5)]
    threads = [each for each in threading.enumerate() if each.name.startswith("stagecut")]
    gc.collect()
    for thread in threads:
        thread.join(10)
    assert _threads() == 0


def test_an_interrupted_close_cancels_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(array: Tensor) -> Tensor:
        time.sleep(0.05)
        return array

    streams = Streams()
    items = [item(FakeVariant(slow), number) for number in range(5)]
    variant = items[0].variant
    for one in items:
        one.variant = variant
        streams.enqueue(one)
    [pipeline] = streams._all()
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "join", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            streams.close(cancel=False)
    streams.close(cancel=False)
    assert [one.future.cancelled() for one in items][1:] == [True] * 4
    assert items[0].future.done()


def _interrupted() -> None:
    raise KeyboardInterrupt


PROGRAM = """
import time
from stagecut.runtime.stream.streams import Streams
from tests.support.fake_variant import FakeVariant, item

def slow(array):
    time.sleep(0.05)
    print("ran", flush=True)
    return array

streams = Streams()
variant = FakeVariant(slow)
for number in range(1000):
    streams.enqueue(item(variant, number))
time.sleep(0.02)
"""


def test_a_program_that_ends_finishes_what_runs_and_waits_for_no_more() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, cwd=ROOT,
        timeout=60, env={"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert 1 <= done.stdout.count("ran") < 10
