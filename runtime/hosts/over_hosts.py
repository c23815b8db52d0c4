"""A variant of a plan on a running cluster: each group of stages is sent to its host, and ready."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from stagecut.compiler.formats.atomic import working_folder
from stagecut.compiler.formats.slice_file import write_slice
from stagecut.compiler.ir.device import Backend, Progress, StagedSchedule
from stagecut.compiler.ir.errors import DeviceError, EngineError
from stagecut.compiler.ir.machine import LOCAL, Host, Machine
from stagecut.compiler.ir.plan import PlannedRun, PlannedVariant
from stagecut.compiler.ir.planned_stream import PlannedStream
from stagecut.compiler.ir.schedule import Schedule
from stagecut.runtime.hosts.cache import SliceId, slice_id
from stagecut.runtime.hosts.cluster import Cluster, ClusterHost, Handle
from stagecut.runtime.hosts.executor import HostsExecutor
from stagecut.runtime.hosts.groups import HostGroup, groups_of
from stagecut.runtime.hosts.member import HostFault


class OverHosts:
    """`engines` are those of this host. Raises DeviceError where the cluster lacks hosts,
    EngineError where one cannot prepare what it is to run."""

    def __init__(
        self,
        planned: PlannedVariant,
        running: PlannedRun,
        staged: StagedSchedule,
        engines: Mapping[str, Backend],
        cluster: Cluster,
        progress: Progress,
    ) -> None:
        outputs = [port.name for port in planned.outputs]
        groups = groups_of(staged, outputs, hosts_of(planned.machine))
        far = [group for group in groups if not group.is_here]
        places = placed(planned.machine.hosts, {group.host for group in far}, cluster)
        #: Kept for hosts that take over later, and fetch then.
        self._folder = working_folder()
        slices = [
            _written(group, planned, self._folder.path / f"{index}")
            for index, group in enumerate(far)
        ]
        paths = {each.sha256: self._folder.path / f"{at}" for at, each in enumerate(slices)}
        source = cluster.source(paths)
        members = [
            cluster.member(places[group.host], wanted, source)
            for group, wanted in zip(far, slices, strict=True)
        ]
        try:
            cluster.ready(members, progress)
        except HostFault as error:
            raise EngineError(error.problem, where=error.where, fix=error.fix) from error
        of_group: dict[int, Handle] = dict(zip(map(id, far), members, strict=True))
        self.executor = HostsExecutor(
            [(group, of_group.get(id(group))) for group in groups],
            running,
            outputs,
            engines,
            cluster,
        )
        self._basis = running.account.basis

    @property
    def stream(self) -> PlannedStream:
        """So many inputs at once that no host waits: a chain has a thread for each of those that
        are in it."""
        replicas = tuple(segment.window for segment in self.executor.segments)
        return PlannedStream(replicas, 1, 0.0, 0.0, self._basis)


def hosts_of(machine: Machine) -> dict[str, str]:
    """The host of each device."""
    return {device.name: machine.memory_named[device.memory].host for device in machine.devices}


def far_devices(machine: Machine, schedule: Schedule) -> tuple[str, ...]:
    """The devices of a schedule that other hosts have."""
    host_of = hosts_of(machine)
    used = dict.fromkeys(stage.device for stage in schedule.stages)
    return tuple(name for name in used if host_of[name] != LOCAL)


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


def _written(group: HostGroup, planned: PlannedVariant, path: Path) -> SliceId:
    specs = {name: planned.provenance.devices[name] for name in dict.fromkeys(group.devices)}
    write_slice(path, group.staged, specs, group.reads, group.writes)
    return slice_id(path)
