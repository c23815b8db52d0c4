"""The parts of a schedule over hosts that a stream keeps busy, and who runs what of them.

    here: a    far: b -> c    here: d       what runs in this process is a segment of its own; what
                                            does not is submitted whole, and goes from host to host
    far: a on this host, or b, or c         where a stage has several places, each call takes the
                                            one with the fewest calls; of equals they take turns

What a segment reads is kept until its answer has come, so that it can be submitted again.
"""

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any

from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.errors import RangeFault, StageFault
from stagecut.runtime.executor import Executor
from stagecut.runtime.hosts.cache import SliceId
from stagecut.runtime.hosts.cluster import Cluster, ClusterHost, Handle, Ref, writable
from stagecut.runtime.hosts.groups import HostGroup
from stagecut.runtime.hosts.member import HostFault
from stagecut.runtime.hosts.timeline import Stay, Timeline

#: What requests in flight may take in the stores of a segment's hosts, and how many there are at
#: most for each process on another host: one that runs, and one on each side of it.
_WINDOW_BYTES = 48 << 20
_IN_FLIGHT = 3


@dataclass
class Post:
    """One place of a group: a `member` on another `host`, which runs the `slice`, or up to
    `replicas` calls in this process at a time. `group` has the devices of that place, which holds
    `weight_bytes` for it."""

    group: HostGroup
    weight_bytes: int = 0
    member: Handle = None
    host: ClusterHost | None = None
    slice: SliceId | None = None
    here: Executor | None = None
    replicas: int = 1
    calls: int = 0
    taken: int = 0
    room: threading.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.room = threading.Semaphore(self.replicas)

    @property
    def window(self) -> int:
        """How many calls it has at a time, so that it never waits for one."""
        return _IN_FLIGHT if self.here is None else self.replicas

    @property
    def address(self) -> str:
        """Of its host; empty for this one."""
        return "" if self.host is None else self.host.address

    def run(self, feeds: Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], list[float]]:
        """In this process; with when it began, and the seconds of each stage."""
        if self.here is None:
            raise AssertionError(self.group)
        with self.room:
            begun_s = perf_counter()
            outputs, trace = self.here.run(feeds)
        return outputs, [begun_s, *(event.wall_s for event in trace.events)]


class Posts:
    """Those of one group, the one that the schedule names first."""

    def __init__(self, posts: Sequence[Post]) -> None:
        self.posts = posts
        self.group = posts[0].group
        self._lock = threading.Lock()

    @property
    def devices(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for each in self.posts for name in each.group.devices))

    @property
    def is_here(self) -> bool:
        """Whether all of them are in this process."""
        return all(post.here is not None for post in self.posts)

    @contextmanager
    def taken(self, *, first: bool) -> Iterator[Post]:
        """One of them for a call, or the `first`."""
        with self._lock:
            post = self.posts[0] if first else min(self.posts, key=_burden)
            post.calls += 1
            post.taken += 1
        try:
            yield post
        finally:
            with self._lock:
                post.calls -= 1


def _burden(post: Post) -> tuple[float, int]:
    return post.calls / post.window, post.taken


class Segment:
    """Groups one after the other; safe to call from several threads. `mend` sees to places whose
    hosts are lost, and `timeline` is told of all calls that may run at any place."""

    def __init__(
        self,
        groups: Sequence[Posts],
        cluster: Cluster,
        mend: Callable[[Sequence[Post]], None],
        timeline: Timeline,
        reads: list[tuple[str, int]],
        writes: list[tuple[str, int]],
    ) -> None:
        first, last = groups[0].group, groups[-1].group
        self.stages = range(first.first, last.first + len(last.devices))
        self.devices = tuple(" + ".join(each.devices) for each in groups)
        self.is_here = all(each.is_here for each in groups)
        self.reads, self.writes, self.gives_up = reads, writes, list[int]()
        largest = max(1, *(each.group.reads_bytes for each in groups))
        most = sum(post.window for each in groups for post in each.posts)
        self.window = max(1, min(most, _WINDOW_BYTES // largest))
        self._groups = groups
        self._cluster = cluster
        self._mend = mend
        self._timeline = timeline

    def __call__(self, slots: list[Any]) -> list[float]:
        """The seconds of each stage, on its host; each group at the place with the fewest calls."""
        return self._run(slots, first=False)

    def as_planned(self, slots: list[Any]) -> list[float]:
        """The same, each group at the place that the schedule names."""
        return self._run(slots, first=True)

    def _run(self, slots: list[Any], *, first: bool) -> list[float]:
        times_s, tensors = self._cluster.again(partial(self._answer, slots, first), self._mended)
        for (_, at), tensor in zip(self.writes, tensors, strict=True):
            slots[at] = tensor
        for at in self.gives_up:
            slots[at] = None
        return [float(each) for _, *part in times_s for each in part]

    def _answer(
        self, slots: Sequence[Any], first: bool
    ) -> tuple[list[Sequence[float]], list[Tensor]]:
        call = _Call(self._cluster, {name: slots[at] for name, at in self.reads})
        with ExitStack() as posts:
            try:
                for group in self._groups:
                    call.of(posts.enter_context(group.taken(first=first)))
                found = call.results([name for name, _ in self.writes])
                if not first:
                    self._timeline.note(call.stays(found[0]))
                return found
            except HostFault as error:
                raise self._fault(error) from error

    def _mended(self) -> None:
        """A call was lost: every place has a host that is there."""
        self._mend([post for group in self._groups for post in group.posts])

    def _fault(self, error: HostFault) -> StageFault:
        kind = RangeFault if error.is_range else StageFault
        problem = f"{error.problem} ({error.where})" if error.where else error.problem
        fault = kind(problem, stage=self.stages[0], device=" > ".join(self.devices))
        fault.fix = error.fix or fault.fix
        return fault


class _Call:
    """One input on its way through the groups of a segment: values that are here, and references to
    those that are not."""

    def __init__(self, cluster: Cluster, known: dict[str, Tensor]) -> None:
        self._cluster = cluster
        self._here = known
        self._far: dict[str, Ref] = {}
        self._times: list[tuple[str, Any]] = []
        self._posts: list[tuple[Post, str, float]] = []

    def of(self, post: Post) -> None:
        group = post.group
        self._posts.append((post, post.address, perf_counter()))
        if post.here is not None:
            self._bring([name for name in group.reads if name not in self._here])
            outputs, times_s = post.run({name: self._here[name] for name in group.reads})
            self._here |= {name: outputs[name] for name in group.writes}
            self._times.append(("here", times_s))
            return
        arguments = [self._here.get(name, self._far.get(name)) for name in group.reads]
        *refs, times = self._cluster.submit(post.member, "run", arguments, len(group.writes) + 1)
        self._far |= zip(group.writes, refs, strict=True)
        self._times.append(("far", times))

    def _bring(self, names: Sequence[str]) -> None:
        for name, tensor in zip(
            names, self._cluster.get([self._far[name] for name in names]), strict=True
        ):
            self._here[name] = writable(tensor)

    def results(self, names: Sequence[str]) -> tuple[list[Sequence[float]], list[Tensor]]:
        """When each group began, with the seconds of its stages, and the values of these names."""
        missing = [name for name in names if name not in self._here]
        timed = [times for kind, times in self._times if kind == "far"]
        found = self._cluster.get([*timed, *(self._far[name] for name in missing)])
        far_s = iter(found[: len(timed)])
        times_s = [times if kind == "here" else next(far_s) for kind, times in self._times]
        self._here |= {
            name: writable(tensor)
            for name, tensor in zip(missing, found[len(timed) :], strict=True)
        }
        return times_s, [self._here[name] for name in names]

    def stays(self, times_s: Sequence[Sequence[float]]) -> Iterator[Stay]:
        """Those of an input that has its answer now."""
        now_s = perf_counter()
        for (post, address, submitted_s), (begun_s, *took_s) in zip(
            self._posts, times_s, strict=True
        ):
            ended_s = float(begun_s) + math.fsum(took_s)
            yield Stay(post.group.host, address, submitted_s, float(begun_s), ended_s, now_s)
