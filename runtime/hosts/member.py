"""What runs on a host for a session: a group of stages, fetched and prepared with its first call.

Nothing of it is set up by the constructor, so that a member that is started again, there or on
another host, sets itself up, and what goes wrong is the answer of a call.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import platformdirs

from stagecut import backends
from stagecut.compiler.formats.slice_file import read_slice
from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.errors import PlanError, RangeFault, StagecutError
from stagecut.compiler.measure.environment import versions
from stagecut.runtime.executor import Executor
from stagecut.runtime.hosts.cache import SliceId, fetched

if TYPE_CHECKING:
    from stagecut.runtime.hosts.probe import Probe

#: As nice as a process can be.
_GIVES_WAY = 19

#: More than caches hold.
_WORK_BYTES = 32 << 20


class HostFault(Exception):  # noqa: N818  # what a StagecutError is on its way between hosts
    """An error of a member in plain words: `is_range` says that the inputs are to blame."""

    def __init__(self, problem: str, where: str, fix: str, is_range: bool) -> None:
        super().__init__(problem, where, fix, is_range)
        self.problem, self.where, self.fix, self.is_range = problem, where, fix, is_range


class Member:
    """A group of stages; `read` gives bytes of its slice from the driver's host."""

    def __init__(self, wanted: SliceId, read: Callable[[int, int], bytes]) -> None:
        self._wanted = wanted
        self._read = read
        self._prepared: _Prepared | None = None

    def ready(self) -> tuple[str, int]:
        """Fetch and prepare; the version of stagecut here, and the process."""
        with _in_plain_words():
            self._prepare()
        return versions()["stagecut"], os.getpid()

    def run(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The values that the group writes, and behind them when it began, by this host's clock,
        and the seconds of each of its stages.

        Where its file is written to meanwhile, from which weights are read in place, it is fetched
        anew, once.
        """
        with _in_plain_words():
            try:
                return self._prepare().run(tensors)
            except PlanError:
                self._prepared = None
                return self._prepare().run(tensors)

    def _prepare(self) -> "_Prepared":
        if self._prepared is None:
            folder = Path(platformdirs.user_cache_path("stagecut")) / "slices"
            self._prepared = _Prepared(fetched(folder, self._wanted, self._read))
        return self._prepared


class _Prepared:
    """A slice whose stages are ready to run."""

    def __init__(self, path: Path) -> None:
        self._slice = read_slice(path)
        engines = backends.create_from_plan(self._slice.devices.values())
        self._executor = Executor(self._slice.staged, self._slice.outputs, engines)

    def run(self, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Raises PlanError where the file was written to, before or meanwhile."""
        archive = self._slice.archive
        archive.check_unchanged()
        feeds = dict(zip(self._slice.inputs, tensors, strict=True))
        begun_s = perf_counter()
        outputs, trace = self._executor.run(feeds)
        archive.check_unchanged()
        times_s = np.array([begun_s, *(event.wall_s for event in trace.events)])
        return (*(outputs[name] for name in self._slice.outputs), times_s)


def load_engines(specs: Sequence[str]) -> None:
    """So that this process has them when a member begins in it."""
    backends.create_from_plan(specs)


class Source:
    """Hands out the slices of a session, on the driver's host."""

    def __init__(self, paths: Sequence[tuple[str, str]]) -> None:
        self._paths = dict(paths)
        self._sent_bytes = 0

    def sent_bytes(self) -> int:
        """How much it has handed out."""
        return self._sent_bytes

    def read(self, sha256: str, offset: int, length: int) -> bytes:
        with open(self._paths[sha256], "rb") as file:  # noqa: PTH123
            piece = os.pread(file.fileno(), length, offset)
        self._sent_bytes += len(piece)
        return piece


class Prober:
    """Answers what `stagecut hosts` asks of a host; see calibrate.py.

    Between two values there is work, as in a plan, which takes caches for itself: without it, what
    carries values is always at hand, and calls seem faster than they are.
    """

    def __init__(self) -> None:
        self._worked_s = 0.0
        self._passed_over = np.ones(_WORK_BYTES // 4, np.float32)
        self._probe: Probe | None = None

    def about(self) -> tuple[str, str, int, int]:
        """How Ray lets others in here, the CPU, how many there are, and the memory in bytes."""
        from stagecut.compiler.measure.cpus import usable_cpus
        from stagecut.compiler.measure.environment import cpu_model

        total_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return os.environ.get("RAY_AUTH_MODE", ""), cpu_model(), usable_cpus(), total_bytes

    def take(self, tensor: Tensor) -> int:
        """The size of what has arrived."""
        self._work()
        return int(tensor.nbytes)

    def give(self, size_bytes: int) -> Tensor:
        self._work()
        return np.zeros(size_bytes, np.uint8)

    def worked_s(self) -> float:
        """How long it has worked between values since this was asked last."""
        worked_s, self._worked_s = self._worked_s, 0.0
        return worked_s

    def _work(self) -> None:
        start_s = perf_counter()
        self._passed_over *= 1.0
        self._worked_s += perf_counter() - start_s

    def probe(self) -> dict[str, float]:
        """What the probe takes here, by device."""
        from stagecut.runtime.hosts.probe import Probe

        self._probe = self._probe or Probe()
        return self._probe.times_s()

    def work(self, seconds: float) -> None:
        """Keep a CPU busy for so long, and give way to all other work: Ray's processes may be nice
        themselves."""
        try:
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        except (AttributeError, OSError):  # no Linux, or a sandbox
            os.nice(_GIVES_WAY)
        end_s = perf_counter() + seconds
        while perf_counter() < end_s:
            sum(range(1000))


@contextmanager
def _in_plain_words() -> Iterator[None]:
    try:
        yield
    except StagecutError as error:
        is_range = isinstance(error, RangeFault)
        raise HostFault(error.problem, error.where, error.fix, is_range) from None
