"""A variant of a plan on a running cluster: each group of stages is sent to its host, and ready."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from stagecut.compiler.formats.atomic import working_folder
from stagecut.compiler.formats.slice_file import write_slice
from stagecut.compiler.ir.device import Backend, Progress, StagedSchedule
from stagecut.compiler.ir.errors import DeviceError
from stagecut.compiler.ir.machine import LOCAL, Host, Machine
from stagecut.compiler.ir.plan import PlannedRun, PlannedVariant
from stagecut.compiler.ir.planned_stream import PlannedStream
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.ir.stream import in_flight
from stagecut.runtime.executor import Executor
from stagecut.runtime.hosts.cache import SliceId, slice_id
from stagecut.runtime.hosts.cluster import Cluster, ClusterHost
from stagecut.runtime.hosts.executor import HostsExecutor
from stagecut.runtime.hosts.groups import HostGroup, groups_of
from stagecut.runtime.hosts.segments import Post, Posts
from stagecut.runtime.hosts.takeover import Takeover


class OverHosts:
    """`running` is what runs, and `streamed` how it runs many inputs, None where the plan does not
    say so of it; `engines` are those of this host. Raises DeviceError where the cluster lacks
    hosts, EngineError where one cannot prepare what it is to run."""

    def __init__(
        self,
        planned: PlannedVariant,
        running: PlannedRun,
        streamed: PlannedStream | None,
        staged: StagedSchedule,
        engines: Mapping[str, Backend],
        cluster: Cluster,
        progress: Progress,
    ) -> None:
        outputs = [port.name for port in planned.outputs]
        host_of = hosts_of(planned.machine)
        groups = [
            [*_at_its_places(group, streamed, host_of)]
            for group in groups_of(staged, outputs, host_of)
        ]
        far = [group for places in groups for group, _ in places if not group.is_here]
        places = placed(planned.machine.hosts, {group.host for group in far}, cluster)
        #: Kept for hosts that take over later, and fetch then.
        self._folder = working_folder()
        paths = [self._folder.path / f"{index}" for index in range(len(far))]
        slices = [_written(*each, planned) for each in zip(paths, far, strict=True)]
        source = cluster.source(
            {each.sha256: path for each, path in zip(slices, paths, strict=True)}
        )
        weights = {node.name: node.weight_bytes for node in planned.nodes}
        wanted = iter(slices)

        def posts(group: HostGroup, replicas: int) -> Iterator[Post]:
            weight_bytes = sum(weights[name] for name in group.staged.schedule.order)
            if group.is_here:
                executor = Executor(group.staged, group.writes, engines)
                yield Post(group, weight_bytes, here=executor, replicas=replicas)
                return
            host, slice_ = places[group.host], next(wanted)
            for _ in range(replicas):
                member = cluster.member(host, slice_, source)
                yield Post(group, weight_bytes, member, host, slice_)

        staffed = [
            Posts([post for group, replicas in each for post in posts(group, replicas)])
            for each in groups
        ]
        staff = [post for each in staffed for post in each.posts]
        sent = [post.slice.size_bytes for post in staff if post.slice is not None]
        members = [post.member for post in staff if not post.group.is_here]
        cluster.ready(members, source, sum(sent), progress)
        specs = planned.provenance.devices
        engaged = far_devices(planned.machine, staged.schedule, streamed)
        cluster.warm([specs[name] for name in engaged])
        mend = Takeover(cluster, planned.machine, source, staff)
        self.executor = HostsExecutor(staffed, running, outputs, cluster, mend)
        self._streamed = streamed
        self._basis = running.account.basis

    @property
    def stream(self) -> PlannedStream:
        """So many inputs at once that no host waits: a chain has a thread for each of those that
        are in it."""
        replicas = tuple(segment.window for segment in self.executor.segments)
        if self._streamed is None:
            return PlannedStream(replicas, (1,) * len(replicas), 0.0, 0.0, self._basis)
        batches = (1,) * len(replicas)  # there are no others over hosts
        most = in_flight(replicas, batches, self._streamed.period_s)
        return replace(self._streamed, replicas=replicas, batches=batches, in_flight=most)


def hosts_of(machine: Machine) -> dict[str, str]:
    """The host of each device."""
    return {device.name: machine.host_of(device.name) for device in machine.devices}


def devices_of(schedule: Schedule, stream: PlannedStream | None) -> tuple[str, ...]:
    """Those of a schedule, and of further places that `stream` has for its stages."""
    places = () if stream is None else stream.places
    used = dict.fromkeys(stage.device for stage in schedule.stages)
    return tuple(used | dict.fromkeys(place.device for stage in places for place in stage))


def far_devices(
    machine: Machine, schedule: Schedule, stream: PlannedStream | None = None
) -> tuple[str, ...]:
    """Those of them that other hosts have."""
    host_of = hosts_of(machine)
    return tuple(name for name in devices_of(schedule, stream) if host_of[name] != LOCAL)


def _at_its_places(
    group: HostGroup, stream: PlannedStream | None, host_of: Mapping[str, str]
) -> Iterator[tuple[HostGroup, int]]:
    """With how many replicas there are; one where the schedule has it, unless a stream has more."""
    if stream is None or not stream.places:
        yield group, 1
        return
    for place in stream.places[group.first]:
        yield group.at(host_of[place.device], place.device), place.replicas


def placed(hosts: Sequence[Host], wanted: set[str], cluster: Cluster) -> dict[str, ClusterHost]:
    """The host of the cluster for each that is `wanted`: the one at its address, or else one that
    the plan does not name. Raises DeviceError where there is none left."""
    there = {host.address: host for host in cluster.hosts}
    named = {host.address for host in hosts}
    here = cluster.here.address
    spare = [host for host in cluster.hosts if host.address not in named | {here}]
    found = {}
    for host in (each for each in hosts if each.name in wanted):
        if host.address not in there and not spare:
            raise DeviceError(
                f"host {host.name} is not in the cluster, and none is to spare",
                where=host.address,
                fix="join it with `ray start --address`; those that are there: "
                + ", ".join(sorted(there)),
            )
        found[host.name] = there.get(host.address) or spare.pop(0)
    return found


def _written(path: Path, group: HostGroup, planned: PlannedVariant) -> SliceId:
    specs = {name: planned.provenance.devices[name] for name in dict.fromkeys(group.devices)}
    write_slice(path, group.staged, specs, group.reads, group.writes)
    return slice_id(path)
