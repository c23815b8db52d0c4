"""Another host for what ran on one that is lost: the one with the least to hold, if it has room.

    host-2: stage 0, 40 MB     lost
    host-3: stage 1, 60 MB     may hold 80 MB: no room
    host-4: nothing            stage 0 goes there

A process that is lost on a host that is there is started again there, by the cluster itself.
"""

import threading
from collections.abc import Mapping, Sequence

from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.machine import Host, Machine
from stagecut.compiler.ir.units import size
from stagecut.runtime.hosts.cache import SliceId
from stagecut.runtime.hosts.cluster import Cluster, ClusterHost
from stagecut.runtime.hosts.segments import Post


class Takeover:
    """`posts` are those on other hosts, `slices` what each of them runs, `weights` the bytes that
    it holds; the driver's host holds `here_bytes` beside them."""

    def __init__(
        self,
        cluster: Cluster,
        machine: Machine,
        source: str,
        posts: Sequence[Post],
        slices: Sequence[SliceId],
        weights: Sequence[int],
        here_bytes: int,
    ) -> None:
        self._cluster = cluster
        self._source = source
        self._slice = dict(zip(map(id, posts), slices, strict=True))
        self._bytes = dict(zip(map(id, posts), weights, strict=True))
        self._posts = posts
        self._here_bytes = here_bytes
        self._capacity = _capacities(machine)
        self._lock = threading.Lock()

    def __call__(self, post: Post) -> None:
        """See that the post has a host that is there. Raises EngineError where none has room."""
        with self._lock:
            there = self._cluster.alive()
            if post.host is None or post.host.node in {host.node for host in there}:
                return
            post.host = self._another(post, post.host, there)
            slice_ = self._slice[id(post)]
            post.member = self._cluster.member(post.host, slice_, self._source)
            self._cluster.ready([post.member], self._source, slice_.size_bytes)

    def _another(self, post: Post, lost: ClusterHost, there: Sequence[ClusterHost]) -> ClusterHost:
        held = self._held()
        wanted = self._bytes[id(post)]
        able = [host for host in there if held.get(host.node, 0) + wanted <= self._room(host)]
        if not able:
            raise EngineError(
                f"is lost, and no other has room for {size(wanted)} of weights",
                where=f"host {lost.address}",
                fix="join another with `ray start --address`, and start the session anew",
            )
        own = self._cluster.here.node  # which has the driver to run
        return min(able, key=lambda host: (host.node == own, held.get(host.node, 0), host.address))

    def _held(self) -> Mapping[str, int]:
        """By node, the bytes of what runs there."""
        found = {self._cluster.here.node: self._here_bytes}
        for post in self._posts:
            if post.host is not None:
                held = found.get(post.host.node, 0)
                found[post.host.node] = held + self._bytes[id(post)]
        return found

    def _room(self, host: ClusterHost) -> int:
        """What the plan says of it; of one that it does not name, half of its memory."""
        return self._capacity.get(host.address) or host.memory_bytes // 2


def _capacities(machine: Machine) -> Mapping[str, int]:
    address: dict[str, Host] = {host.name: host for host in machine.hosts}
    return {
        address[memory.host].address: memory.capacity_bytes
        for memory in machine.memories
        if memory.capacity_bytes is not None and memory.host in address
    }
