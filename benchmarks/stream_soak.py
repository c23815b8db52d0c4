"""Claim: a stream loses nothing, mixes nothing up and leaves nothing behind, however long it runs.

    python -m benchmarks.stream_soak [--seconds 600] [--seed 0]

Three producers share a session with several stages, replicas and batches. One reads outputs in
order, now and then slowly, and now and then leaves early; one takes them as they come; one submits
inputs, of which the oldest are dropped where there is no room. Inputs have 1 to 8 rows; of some an
index is out of range, so that a stage fails, and some do not fit the model at all. What comes out
is held against a plain run of the same input.

Prints counts, memory and threads as it goes, and ends with 1 where anything is not as it should be:
another output, one too many or too few, memory that grows, a thread that is left.
"""

import argparse
import gc
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import numpy as np
import onnx
import psutil
from onnx import TensorProto, helper, numpy_helper

from benchmarks.support import describe_machine
from stagecut import backends
from stagecut.compiler import compile_model
from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.errors import OverloadError, StagecutError
from stagecut.runtime import Session
from tests.support.scattered import scattered
from tests.support.streamed import streamed

_WIDTH, _ENTRIES = 64, 10
_WARM_UP_S = 5.0
#: By so much the second half of a soak may take more memory than the first one: what were
#: kept of each input would come to more in a minute.
_FLAT_BYTES = 16 << 20

#: What an input comes to when it is run by itself: its outputs, or the kind of its error.
Ending: TypeAlias = "list[Tensor] | type[Exception]"


def soak_model() -> onnx.ModelProto:
    """A few layers, and a table that is read at `pick`; all of `rows` rows."""
    rng = np.random.default_rng(0)
    weights = {
        **{f"w{index}": rng.standard_normal((_WIDTH, _WIDTH)) / 8 for index in range(3)},
        "table": rng.standard_normal((_ENTRIES, _WIDTH)),
    }
    nodes = [
        helper.make_node("Gather", ["table", "pick"], ["picked"], "pick", axis=0),
        helper.make_node("Add", ["x", "picked"], ["h0"], "add"),
    ]
    for index in range(3):
        nodes += [
            helper.make_node("MatMul", [f"h{index}", f"w{index}"], [f"m{index}"], f"times{index}"),
            helper.make_node("Tanh", [f"m{index}"], [f"h{index + 1}"], f"bend{index}"),
        ]
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "soak",
        [
            tensor("x", TensorProto.FLOAT, ["rows", _WIDTH]),
            tensor("pick", TensorProto.INT64, ["rows"]),
        ],
        [tensor("h3", TensorProto.FLOAT, ["rows", _WIDTH])],
        [
            numpy_helper.from_array(array.astype(np.float32), name)
            for name, array in weights.items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def soak_session(folder: Path) -> Session:
    """Stages on the engines there are, two replicas of each, batches of up to four."""
    here = backends.real_devices()
    devices = [
        name for name in ("cpu.serial", "openvino.f32.serial", "cpu.parallel") if name in here
    ]
    feeds: Feeds = {"x": np.zeros((2, _WIDTH), np.float32), "pick": np.zeros(2, np.int64)}
    proto = soak_model()
    plan = compile_model(proto, feeds=feeds, devices=devices, costs=scattered(5), granularity="op")
    stages = len(plan.first.planned.stages)
    return Session(streamed(folder / "soak.plan", plan, (2,) * stages, batches=(4,) * stages))


def inputs_of(seed: int, count: int) -> list[Feeds]:
    """One in 16 makes a stage fail, one in 16 does not fit."""
    rng = np.random.default_rng(seed)
    found: list[Feeds] = []
    for index in range(count):
        rows = int(rng.integers(1, 9))
        pick = rng.integers(0, _ENTRIES, rows)
        pick[0] = 1000 if index % 16 == 7 else pick[0]
        width = _WIDTH + (index % 16 == 11)
        x = rng.standard_normal((rows, width)).astype(np.float32)
        found.append({"x": x, "pick": pick})
    return found


class Soak:
    """Producers, and what they have found."""

    def __init__(self, session: Session, inputs: Sequence[Feeds], end_s: float) -> None:
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self._session = session
        self._inputs = inputs
        self._endings = [_ending(session, feeds) for feeds in inputs]
        self._end_s = end_s
        self._lock = threading.Lock()

    def reads_in_order(self, dice: random.Random) -> None:
        """A thousand inputs at a time, or fewer where it leaves early."""
        while time.monotonic() < self._end_s:
            asked = [dice.randrange(len(self._inputs)) for _ in range(1000)]
            results = self._session.stream((self._inputs[at] for at in asked), on_error="yield")
            reads = dice.choice([1, 300, 1000])
            found = 0
            with results:
                for at, result in zip(asked, islice(results, reads), strict=False):
                    self._check("in order", at, result)
                    found += 1
                    if dice.random() < 0.01:
                        time.sleep(dice.random() * 0.1)
            if found != reads:
                self._fault(f"in order: {found} outputs for {reads} inputs")

    def reads_as_they_come(self, dice: random.Random) -> None:
        """Which input an output is of is known by the rows of its own that it has."""
        while time.monotonic() < self._end_s:
            asked = [dice.randrange(len(self._inputs)) for _ in range(500)]
            inputs = (self._inputs[at] for at in asked)
            results = self._session.stream(inputs, ordered=False, on_error="yield")
            found = Counter(self._which(result) for result in results)
            if found != Counter(self._sort(self._endings[at]) for at in asked):
                self._fault("as they come: other outputs than those of the inputs")
            self._count("as they come", len(asked))

    def submits(self, dice: random.Random) -> None:
        """In bursts, more than there is room for."""
        while time.monotonic() < self._end_s:
            burst = [dice.randrange(len(self._inputs)) for _ in range(dice.randrange(1, 200))]
            futures = []
            for at in burst:
                try:
                    future = self._session.submit(self._inputs[at], overload="drop_oldest")
                except StagecutError as error:
                    self._check("submitted", at, error)
                    continue
                futures.append((at, future))
                if dice.random() < 0.05:
                    future.cancel()
            for at, future in futures:
                found = _outcome(future)
                if isinstance(found, CancelledError | OverloadError):
                    self._count(type(found).__name__, 1)
                else:
                    self._check("submitted", at, found)

    def _check(self, who: str, at: int, found: object) -> None:
        expected = self._endings[at]
        if isinstance(expected, type):
            right = isinstance(found, expected)
        else:
            right = isinstance(found, list) and np.allclose(
                found[0], expected[0], rtol=1e-4, atol=1e-5
            )
        if not right:
            self._fault(f"{who}: input {at} has {str(found)[:200]}")
        self._count(who, 1)
        if isinstance(expected, type):
            self._count(f"{who}, failing", 1)

    def _which(self, found: object) -> object:
        return self._sort(type(found) if isinstance(found, Exception) else found)  # type: ignore[arg-type]

    @staticmethod
    def _sort(ending: Ending) -> object:
        if isinstance(ending, type):
            return ending
        return ending[0].shape, round(float(ending[0].mean()), 3)

    def _count(self, what: str, number: int) -> None:
        with self._lock:
            self.counts[what] += number

    def _fault(self, told: str) -> None:
        with self._lock:
            self.faults.append(told)


def _ending(session: Session, feeds: Feeds) -> Ending:
    try:
        return session.run(None, feeds)
    except StagecutError as error:
        return type(error)


def _outcome(future: "Future[list[Tensor]]") -> object:
    try:
        return future.result(60)
    except Exception as error:  # it is looked at
        return error


def _guarded(soak: Soak, produce: Callable[[random.Random], None], seed: int) -> None:
    try:
        produce(random.Random(seed))  # noqa: S311  # nothing secret
    except BaseException as error:  # it is told, and the soak has failed
        soak._fault(f"{produce.__name__}: {type(error).__name__}: {error}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="how long")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(describe_machine())
    process = psutil.Process()
    threads_before = {*threading.enumerate()}
    with TemporaryDirectory() as folder:
        session = soak_session(Path(folder))
        start_s = time.monotonic()
        soak = Soak(session, inputs_of(options.seed, 64), start_s + options.seconds)
        producers = [
            threading.Thread(target=_guarded, args=(soak, produce, options.seed + index))
            for index, produce in enumerate(
                (soak.reads_in_order, soak.reads_as_they_come, soak.submits)
            )
        ]
        for producer in producers:
            producer.start()
        taken_bytes = []
        for at_s in _moments(options.seconds):
            time.sleep(max(0.0, start_s + at_s - time.monotonic()))
            gc.collect()
            taken_bytes.append(process.memory_info().rss)
            print(
                f"{at_s:6.0f} s: {taken_bytes[-1] / 2**20:7.1f} MiB, "
                f"{process.num_threads()} threads, {sum(soak.counts.values())} endings",
                flush=True,
            )
        for producer in producers:
            producer.join()
        stats = session.stats()
        session.close()
    left = [each.name for each in threading.enumerate() if each not in threads_before]
    left = [name for name in left if name.startswith("stagecut")]
    for what, number in sorted(soak.counts.items()):
        print(f"  {what}: {number}")
    for stage in stats.stages:
        print(f"  {stage.name}: {stage.replicas} replicas, batches {dict(stage.batches)}")
    grown_bytes = grown(taken_bytes[1:])
    soak.faults += (
        [f"memory grew by {grown_bytes / 2**20:.1f} MiB"] if grown_bytes > _FLAT_BYTES else []
    )
    print(f"memory grew by {grown_bytes / 2**20:.1f} MiB")
    print(f"threads left: {left or 'none'}; faults: {len(soak.faults)}")
    for fault in soak.faults[:10]:
        print(f"  {fault}")
    return 1 if left or soak.faults else 0


def grown(taken_bytes: Sequence[int]) -> int:
    """By how much the least of the second half is above that of the first; nought of few."""
    half = len(taken_bytes) // 2
    if not half:
        return 0
    return max(0, min(taken_bytes[half:]) - min(taken_bytes[:half]))


def _moments(seconds: float) -> Iterator[float]:
    yield min(_WARM_UP_S, seconds)
    yield from (seconds * tenth / 10 for tenth in range(1, 11) if seconds * tenth / 10 > _WARM_UP_S)


if __name__ == "__main__":
    sys.exit(main())
