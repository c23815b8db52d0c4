"""The engine between hosts: Ray's actors. Nothing else imports Ray.

session --- connect ---> Ray's node on this host ---> one member (member.py) for each group
        --- submit ----> a.run(feeds) -> b.run(...)   data go from a to b; answers come back
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from mmap import MAP_ANONYMOUS, MAP_POPULATE, MAP_PRIVATE, mmap
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import numpy as np

from stagecut.compiler.ir.device import Progress, Tensor, silent
from stagecut.compiler.ir.errors import DeviceError, EngineError, UsageError, told
from stagecut.compiler.measure.environment import versions
from stagecut.runtime.hosts.cache import SliceId
from stagecut.runtime.hosts.member import HostFault, Member, Prober, Source, load_engines

#: A value on its way: Ray's reference to it.
Ref: TypeAlias = Any
#: Ray's handle of an actor.
Handle: TypeAlias = Any

#: How often a call is made again when its host or its process is lost, by Ray and then by us. An
#: input that takes processes down has to fail in the end.
_RETRIES = 3
_ATTEMPTS = 3

#: How often it is looked at how much hosts have fetched.
_LOOKED_AT_S = 0.25

#: So long is waited for engines that may never be needed.
_WARMED_WITHIN_S = 30.0

#: Values of this size and more have pages of their own.
_PAGES_BYTES = 1 << 20

#: What RAY_AUTH_MODE then is.
_ASKS_FOR_TOKENS = "token"
_TOKENS = "start every host with RAY_AUTH_MODE=token and one RAY_AUTH_TOKEN_PATH: see docs/hosts.md"


@dataclass(frozen=True, slots=True)
class ClusterHost:
    """A host of a running cluster, as it says of itself."""

    address: str
    node: str
    cpu: str
    cpus: int
    memory_bytes: int

    @property
    def room_bytes(self) -> int:
        """For weights, where nobody says otherwise: engines have copies of what they read."""
        return self.memory_bytes // 2


class Cluster:
    """A connection to a running cluster; one to a process. Safe to use from several threads.

    `address` is what Ray takes: "auto", or HOST:PORT of the first host. Raises DeviceError where
    Ray is missing, or no cluster is there, UsageError for one that lets anybody in: its members run
    whatever they are sent, so that it has to ask for a token, unless `insecure` says that it need
    not.
    """

    def __init__(self, address: str, *, insecure: bool = False) -> None:
        ray = _ray()
        if not insecure and os.environ.get("RAY_AUTH_MODE") != _ASKS_FOR_TOKENS:
            raise _open("this process sends no token")
        self._joined = not ray.is_initialized()
        if self._joined:
            try:
                ray.init(address=address, log_to_driver=False, logging_level="ERROR")
            except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
                raise DeviceError(
                    f"no cluster answers: {told(error).splitlines()[0]}",
                    where=f"cluster {address}",
                    fix="start one with `ray start --head`, and check address and token",
                ) from error
        try:
            self.hosts = self._surveyed(insecure=insecure)
        except BaseException:
            self.close()
            raise
        self._actors: list[Handle] = []

    @property
    def here(self) -> ClusterHost:
        """The host of this process."""
        own = _ray().get_runtime_context().get_node_id()
        return next(host for host in self.hosts if host.node == own)

    def close(self) -> None:
        """End all members, and leave the cluster."""
        ray = _ray()
        for actor in getattr(self, "_actors", ()):
            ray.kill(actor)
        if self._joined:
            ray.shutdown()

    def end(self, actor: Handle) -> None:
        """End an actor before the rest."""
        self._actors.remove(actor)
        _ray().kill(actor)

    def prober(self, host: ClusterHost) -> Handle:
        return self._actor(Prober, host, retries=0)

    def source(self, paths: Mapping[str, Path]) -> str:
        """Hands out these slices, which are named by their SHA-256; the name that hosts know it
        by."""
        name = f"stagecut source {uuid4()}"
        listed = [(sha256, str(path)) for sha256, path in paths.items()]
        self._actor(Source, self.here, listed, name=name)
        return name

    def member(self, host: ClusterHost, wanted: SliceId, source: str) -> Handle:
        """A group of stages on `host`, started again there where its process is lost.

        Ray's own way to let another host take over, a soft affinity, also lets it begin there: it
        is left to takeover.py. What its constructor is given is plain data: Ray keeps a handle in
        its store, and cannot start the member again once that is lost (ray#53727).
        """
        return self._actor(Member, host, wanted, partial(_read, source, wanted.sha256))

    def submit(
        self, actor: Handle, method: str, arguments: Sequence[object], count: int
    ) -> list[Ref]:
        """Let it run; references to so many results, two at the least."""
        refs: list[Ref] = getattr(actor, method).options(num_returns=count).remote(*arguments)
        return refs

    def call(self, actor: Handle, method: str, *arguments: object) -> Any:
        """Run it, and wait for its one result."""
        return self.get([getattr(actor, method).remote(*arguments)])[0]

    def started(self, actor: Handle, method: str, *arguments: object) -> Ref:
        """Let it run; a reference to its one result."""
        return getattr(actor, method).remote(*arguments)

    def get(self, refs: Sequence[Ref]) -> list[Any]:
        """The results. Raises HostFault for what went wrong there, Ray's errors for what is
        lost."""
        if not refs:  # Ray takes its time for those, too
            return []
        try:
            results: list[Any] = _ray().get([*refs])
        except _ray().exceptions.RayTaskError as error:
            raise _cause(error) from None
        return results

    def ready(
        self, members: Sequence[Handle], source: str, size_bytes: int, progress: Progress = silent
    ) -> None:
        """Wait until all have fetched and prepared what they are to run, in all `size_bytes` from
        `source`. Raises EngineError where one cannot, DeviceError for hosts with another version
        of stagecut."""
        refs = [self.started(member, "ready") for member in members]
        own = versions()["stagecut"]
        pieces = max(1, size_bytes >> 20)
        for _ in progress(self._fetched(refs, source, pieces), "hosts fetch MiB", pieces):
            pass
        for ref in progress(refs, "hosts prepare", len(refs)):
            try:
                version, _ = self.get([ref])[0]
            except HostFault as error:
                raise EngineError(error.problem, where=error.where, fix=error.fix) from error
            if version != own:
                raise DeviceError(
                    f"a host has stagecut {version}, and this one has {own}",
                    where="cluster",
                    fix="install the same version everywhere",
                )

    def _fetched(self, refs: Sequence[Ref], source: str, pieces: int) -> Iterator[int]:
        """One for each MiB that the source has handed out, while members still fetch: those that
        have kept theirs fetch nothing."""
        ray = _ray()
        waiting, seen = [*refs], 0
        while waiting and seen < pieces:
            _, waiting = ray.wait(waiting, num_returns=len(waiting), timeout=_LOOKED_AT_S)
            sent = self.call(ray.get_actor(source), "sent_bytes") >> 20
            yield from range(seen, min(sent, pieces))
            seen = max(seen, min(sent, pieces))

    def warm(self, specs: Sequence[str]) -> None:
        """Let every other host have a process at hand that has these engines loaded already. Ray
        keeps idle ones, as many as the host has CPUs, and takes one for a member that is to start
        there: after a loss this saves what takes longest. A host that cannot does without."""
        ray = _ray()
        load = ray.remote(load_engines)
        own = self.here.node
        refs = [
            load.options(**_placed_on(host), max_retries=0).remote([*specs])
            for host in self.alive()
            if host.node != own
        ]
        if refs:
            ray.wait(refs, num_returns=len(refs), timeout=_WARMED_WITHIN_S)

    def alive(self) -> tuple[ClusterHost, ...]:
        """The hosts that are there now, of those that were there when it was joined."""
        there = {node["NodeID"] for node in _ray().nodes() if node["Alive"]}
        return tuple(host for host in self.hosts if host.node in there)

    def again(self, do: Callable[[], Any], mend: Callable[[], None]) -> Any:
        """What `do` returns; done again, once `mend` has, where a host is lost meanwhile. Raises
        EngineError where that does not help."""
        for left in reversed(range(_ATTEMPTS)):
            try:
                if left < _ATTEMPTS - 1:
                    mend()
                return do()
            except _ray().exceptions.RayError as error:
                if not left:
                    raise EngineError(
                        f"is lost: {told(error).splitlines()[0]}",
                        where="a host of the cluster",
                        fix="see that its hosts are there, and start the session anew",
                    ) from error
        raise AssertionError

    def _actor(
        self,
        kind: type,
        host: ClusterHost,
        *arguments: object,
        name: str | None = None,
        retries: int = _RETRIES,
    ) -> Handle:
        actor = (
            _ray()
            .remote(kind)
            .options(
                name=name,
                max_restarts=-1,
                max_task_retries=retries,
                max_concurrency=1,
                **_placed_on(host),
            )
            .remote(*arguments)
        )
        self._actors.append(actor)
        return actor

    def _surveyed(self, *, insecure: bool) -> tuple[ClusterHost, ...]:
        """The hosts that are there, ordered by address; raises UsageError for one that asks for no
        token."""
        self._actors = []
        nodes = sorted(
            (node["NodeManagerAddress"], node["NodeID"]) for node in _ray().nodes() if node["Alive"]
        )
        probers = [self.prober(ClusterHost(address, node, "", 1, 0)) for address, node in nodes]
        found = []
        for (address, node), prober in zip(nodes, probers, strict=True):
            mode, cpu, cpus, memory_bytes = self.call(prober, "about")
            if mode != _ASKS_FOR_TOKENS and not insecure:
                raise _open(f"host {address} asks for none")
            found.append(ClusterHost(address, node, cpu, cpus, memory_bytes))
        for prober in probers:
            _ray().kill(prober)
        self._actors = []
        return tuple(found)


@contextmanager
def connected(address: str, *, insecure: bool) -> Iterator[Cluster]:
    """A cluster that is left at the end of the block."""
    cluster = Cluster(address, insecure=insecure)
    try:
        yield cluster
    finally:
        cluster.close()


def writable(tensor: Tensor) -> Tensor:
    """The same outside of Ray's store, whose values nobody may change, and which is to be free.

    Large ones have pages of their own, which are gone with them: heaps that several threads take
    such values from keep holes between what is small, and grow.
    """
    if tensor.nbytes < _PAGES_BYTES or tensor.dtype.hasobject:  # texts would never be let go
        return np.array(tensor)
    pages = mmap(-1, tensor.nbytes, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE)
    copied: Tensor = np.ndarray(tensor.shape, tensor.dtype, pages)
    copied[...] = tensor
    return copied


def _placed_on(host: ClusterHost) -> dict[str, Any]:
    """Options of what runs there and nowhere else."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return {
        "num_cpus": 0,
        "enable_task_events": False,  # the head would keep some of each call
        "scheduling_strategy": NodeAffinitySchedulingStrategy(host.node, soft=False),
    }


def _read(source: str, sha256: str, offset: int, length: int) -> bytes:
    """Of a slice, from the driver's host; called on others."""
    ray = _ray()
    piece: bytes = ray.get(ray.get_actor(source).read.remote(sha256, offset, length))
    return piece


def _cause(error: Any) -> BaseException:
    cause = getattr(error, "cause", None)
    if isinstance(cause, HostFault):
        return cause
    first = told(cause or error).strip().splitlines()[-1]
    return EngineError(f"failed: {first}", where="a host of the cluster")


def _open(problem: str) -> UsageError:
    return UsageError(
        f"the cluster is open to anybody: {problem}",
        where="--cluster",
        fix=f"{_TOKENS}; or say --insecure where nobody else can reach it",
    )


def _ray() -> Any:
    """Ray, which is big, once it is needed."""
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise DeviceError(
            "several hosts need Ray, which is not installed",
            where="--cluster",
            fix="pip install 'stagecut[hosts]'",
        ) from error
    return ray
