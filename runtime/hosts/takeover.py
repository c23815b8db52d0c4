"""Another host for what ran on one that is lost: the one with the least to hold, if it has room.

    host-2: stage 0, 40 MB     lost
    host-3: stage 1, 60 MB     may hold 80 MB: no room
    host-4: nothing            stage 0 goes there

A process that is lost on a host that is there is started again there, by the cluster itself.
"""

import threading
from collections.abc import Mapping, Sequence

from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.machine import Machine
from stagecut.compiler.ir.units import size
from stagecut.runtime.hosts.cluster import Cluster, ClusterHost
from stagecut.runtime.hosts.segments import Post


class Takeover:
    """`posts` are all of a plan, also those on the driver's host."""

    def __init__(
        self, cluster: Cluster, machine: Machine, source: str, posts: Sequence[Post]
    ) -> None:
        self._cluster = cluster
        self._source = source
        self._posts = posts
        self._capacity = _capacities(machine)
        self._lock = threading.Lock()

    def __call__(self, posts: Sequence[Post]) -> None:
        """See that each has a host that is there. Raises EngineError where none has room."""
        with self._lock:
            there = self._cluster.alive()
            nodes = {host.node for host in there}
            for post in posts:
                if post.host is not None and post.host.node not in nodes:
                    self._move(post, self._another(post, post.host, there))

    def _move(self, post: Post, host: ClusterHost) -> None:
        if post.slice is None:
            raise AssertionError(post.group)
        post.host = host
        post.member = self._cluster.member(host, post.slice, self._source)
        self._cluster.ready([post.member], self._source, post.slice.size_bytes)

    def _another(self, post: Post, lost: ClusterHost, there: Sequence[ClusterHost]) -> ClusterHost:
        held = self._held()
        able = [host for host in there if self._has_room(host, held, post.weight_bytes)]
        if not able:
            raise EngineError(
                f"is lost, and no other has room for {size(post.weight_bytes)} of weights",
                where=f"host {lost.address}",
                fix="join another with `ray start --address`, and start the session anew",
            )
        own = self._cluster.here.node  # which has the driver to run
        return min(able, key=lambda host: (host.node == own, held.get(host.node, 0), host.address))

    def _held(self) -> Mapping[str, int]:
        """By node, the bytes of what runs there."""
        found: dict[str, int] = {}
        for post in self._posts:
            node = (post.host or self._cluster.here).node
            found[node] = found.get(node, 0) + post.weight_bytes
        return found

    def _has_room(self, host: ClusterHost, held: Mapping[str, int], wanted: int) -> bool:
        """By what the plan says of it; None that it never fills. One that the plan does not name
        has what is usual."""
        room = self._capacity.get(host.address, host.room_bytes)
        return room is None or held.get(host.node, 0) + wanted <= room


def _capacities(machine: Machine) -> Mapping[str, int | None]:
    """By the address of a host, what it may hold."""
    address = {host.name: host.address for host in machine.hosts}
    return {
        address[memory.host]: memory.capacity_bytes
        for memory in machine.memories
        if memory.host in address
    }
