"""Whether a plan stays as quick and as small as it was, and says what torch says.

A step is taken again and again behind the same number of tokens: what it adds is forgotten each
time. Then all steps cost the same, unless something grows.
"""

import resource
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.decode.here import Step
from stagecut.runtime.decoding.session import DecoderSession

#: So many steps around the one that is asked for; their median is less moved by other work.
_AROUND = 10


def print_steady(session: DecoderSession, ids: Sequence[int], steps: int) -> None:
    """The 10th step beside the 1,000th and the last, and the memory of the process."""
    times = np.empty((steps, 2))  # all there is room for at once: what grows is not this
    resident = dict[int, int]()
    with session.sequence() as sequence:
        sequence.run("prefill", {"input_ids": np.asarray([ids])})
        for step in range(steps):
            start = time.perf_counter(), time.process_time()
            sequence.run("decode", {"input_ids": np.asarray([[step % 17]])})
            times[step] = time.perf_counter() - start[0], time.process_time() - start[1]
            sequence.truncate(len(ids))
            if step in {steps // 10, steps - 1}:
                resident[step + 1] = _resident_bytes()
    for at in sorted({10, min(1000, steps), steps}):
        around = times[max(0, at - _AROUND) : at + _AROUND]
        wall_s, cpu_s = np.median(around, axis=0).tolist()
        print(f"step {at:6}: {1e3 * wall_s:.2f} ms, CPU time {1e3 * cpu_s:.2f} ms")
    for at, size_bytes in resident.items():
        print(f"after {at:5} steps: {size_bytes / 2**20:.1f} MiB resident")
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"at the most: {peak / 2**20:.1f} MiB")


def print_equality(plan: Step, reference: Step, ids: Sequence[int], new: int) -> None:
    """Greedy tokens of the reference, read by both, and by how much their scores differ."""
    given, length, apart, equal = [*ids], 0, 0.0, 0
    said = list[int]()
    for _ in range(new):
        one, other = np.asarray(plan(given, length)), np.asarray(reference(given, length))
        apart = max(apart, float(np.abs(one - other).max() / np.abs(other).max()))
        equal += int(one.argmax() == other.argmax())
        length += len(given)
        given = [int(other.argmax())]
        said += given
    print(
        f"{equal} of {new} tokens are torch's, {len({*said})} different ones among them; scores "
        f"are at most {apart:.1e} of the largest apart"
    )


def _resident_bytes() -> int:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * resource.getpagesize()
