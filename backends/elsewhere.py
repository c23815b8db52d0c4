"""A device of this machine as another host has it: while a plan is made, it is built and checked
here.

What runs there is made from the same spec on the host itself (runtime/hosts).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from stagecut.backends.checked import CheckedBackend, CheckedLink, Unheard
from stagecut.compiler.ir.device import Estimate, Tensor
from stagecut.compiler.ir.graph import Value
from stagecut.compiler.ir.machine import Basis, Memory, Route
from stagecut.compiler.ir.measured_machine import MeasuredHost, on_host


@dataclass(frozen=True, slots=True)
class HostLink:
    """A link between hosts: tensors arrive there as they were."""

    source: str
    target: str
    basis: Basis = "measured"

    def transfer(self, tensor: Tensor) -> Tensor:
        return tensor

    def estimate(self, value: Value) -> Estimate | None:  # noqa: ARG002  # its samples say
        return None


def elsewhere(
    backend: CheckedBackend, host: MeasuredHost, routes: Iterable[Route]
) -> CheckedBackend:
    """`backend` in the memory of `host`, with those of the `routes` that begin or end there. It has
    no model of its own: what it takes follows from what is measured here (passes/widen.py)."""
    device = backend.device
    name = on_host(host.name, device.name)
    links = tuple(
        CheckedLink(HostLink(*route), *route, "measured", name, Unheard())
        for route in routes
        if host.memory in route
    )
    return replace(
        backend,
        device=replace(
            device,
            name=name,
            memory=host.memory,
            resource=on_host(host.name, device.keeps_busy),
        ),
        memory=Memory(host.memory, host.capacity_bytes, host.name),
        links=links,
        alone=(),
    )
