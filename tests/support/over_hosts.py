"""Several hosts that are none: a machine of three, a plan for it, and a cluster in this process."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from stagecut import backends
from stagecut.compiler.context import Settings
from stagecut.compiler.formats.plan_file import Plan
from stagecut.compiler.ir.device import Progress, silent
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.measured_machine import (
    LinkSample,
    MeasuredDevice,
    MeasuredHost,
    MeasuredLink,
    MeasuredMachine,
)
from stagecut.compiler.pipeline import compile_model
from stagecut.runtime.hosts.cache import SliceId
from stagecut.runtime.hosts.cluster import ClusterHost
from stagecut.runtime.hosts.member import HostFault, Member, Prober, Source, load_engines
from stagecut.runtime.hosts.over_hosts import OverHosts

LAYERS, WIDTH = 6, 32
LAYER_BYTES = WIDTH * WIDTH * 4
#: Two layers, and two in each of the others.
CAPACITY_BYTES = 2 * LAYER_BYTES


def measured(*, capacity_bytes: int | None = None, size_s: float = 1e-6) -> MeasuredMachine:
    """The driver's host, and b, and c, which takes twice as long."""
    names = {"local": ("10.0.0.1", 0.001), "b": ("10.0.0.2", 0.001), "c": ("10.0.0.3", 0.002)}
    hosts = tuple(
        MeasuredHost(
            name,
            address,
            "a CPU",
            2,
            (MeasuredDevice("cpu.serial", probe_s),),
            0.0 if name == "local" else 1e-4,
            capacity_bytes,
        )
        for name, (address, probe_s) in names.items()
    )
    samples = (LinkSample(100, size_s, size_s, size_s), LinkSample(1000, 3e-6, 2e-6, 4e-6))
    links = tuple(
        MeasuredLink(start, end, samples) for start in names for end in names if start != end
    )
    return MeasuredMachine(hosts, links)


def layers() -> onnx.ModelProto:
    """Dense layers, each with a weight of its own."""
    text = "".join(f"y{at + 1} = MatMul(y{at}, w{at}) " for at in range(LAYERS))
    model = onnx.parser.parse_model(
        f'<ir_version: 10, opset_import: ["": 21]>'
        f"g (float[1,{WIDTH}] y0) => (float[1,{WIDTH}] y{LAYERS}) {{ {text} }}"
    )
    random = np.random.default_rng(0)
    for at in range(LAYERS):
        weight = random.standard_normal((WIDTH, WIDTH)).astype(np.float32) / WIDTH
        model.graph.initializer.append(numpy_helper.from_array(weight, f"w{at}"))
    return model


@lru_cache
def plan_over_hosts(objective: str = "latency") -> Plan:
    """Of layers that fit no host: two on each, in an order that is the solver's."""
    return compile_model(
        layers(),
        devices=["cpu.serial"],
        granularity="op",
        machine=measured(capacity_bytes=CAPACITY_BYTES),
        objective=objective,
        settings=Settings(effort="quick"),
    )


@lru_cache
def replicas_over_hosts() -> Plan:
    """Of the same, where each host has room for two replicas of the whole."""
    return compile_model(
        layers(),
        devices=["cpu.serial"],
        granularity="op",
        machine=measured(),
        objective="throughput",
        settings=Settings(effort="quick"),
    )


class Lost(Exception):  # noqa: N818
    """What a host is when it is gone."""


class ClusterHere:
    """A Cluster whose hosts are this process; `fails` is asked before each call of a member."""

    def __init__(self, fails: Callable[[], None] = lambda: None) -> None:
        self.hosts = tuple(
            ClusterHost(f"10.0.0.{at}", f"node-{at}", "a CPU", 2, 2**30) for at in (1, 2, 3, 4)
        )
        self.here = self.hosts[0]
        self.members: list[tuple[ClusterHost, Member]] = []
        self.ended = 0
        self.warmed: list[str] = []
        self.dead: set[str] = set()
        self._fails = fails
        self._source: Source | None = None

    def source(self, paths: dict[str, Any]) -> str:
        self._source = Source([(name, str(path)) for name, path in paths.items()])
        return "source"

    def member(self, host: ClusterHost, wanted: SliceId, source: str) -> Member:
        read = self._source.read if self._source is not None else None
        assert read is not None
        member = Member(wanted, lambda at, length: read(wanted.sha256, at, length))
        self.members.append((host, member))
        return member

    def prober(self, host: ClusterHost) -> Prober:
        return Prober()

    def ready(
        self,
        members: Sequence[Member],
        source: str,
        size_bytes: int,
        progress: Progress = silent,
    ) -> None:
        for member in progress(members, "ready"):
            try:
                member.ready()
            except HostFault as error:
                raise EngineError(error.problem, where=error.where, fix=error.fix) from error

    def warm(self, specs: Sequence[str]) -> None:
        load_engines(specs)
        self.warmed += specs

    def submit(self, actor: Member, method: str, arguments: Sequence[Any], count: int) -> list[Any]:
        assert method == "run"
        self._fails()
        results = [*actor.run(*arguments)]
        assert len(results) == count
        return results

    def call(self, actor: object, method: str, *arguments: object) -> Any:
        return getattr(actor, method)(*arguments)

    def started(self, actor: object, method: str, *arguments: object) -> Any:
        return None if method == "work" else getattr(actor, method)(*arguments)

    def get(self, refs: Sequence[Any]) -> list[Any]:
        return [*refs]

    def end(self, actor: object) -> None:
        self.ended += 1

    def alive(self) -> tuple[ClusterHost, ...]:
        return tuple(host for host in self.hosts if host.node not in self.dead)

    def again(self, do: Callable[[], Any], mend: Callable[[], None]) -> Any:
        try:
            return do()
        except Lost:
            mend()
            return do()

    def close(self) -> None: ...


def over_hosts(plan: Plan, cluster: ClusterHere, *, streams: bool = True) -> OverHosts:
    """A plan on that cluster, as it runs many inputs where it `streams`."""
    stored = plan.first
    planned = stored.planned
    engines = backends.create_all(["cpu.serial"])
    streamed = planned.stream if streams else None
    return OverHosts(
        planned, planned.run, streamed, stored.staged(), engines, cluster, silent  # type: ignore[arg-type]
    )  # fmt: skip
