"""A PIM device in whose memory the cache of keys and values lies, priced by its own model.

What a step does with the cache of one layer, of `rows` queries for each of `heads` pairs of keys
and values of `size` numbers, behind `length` tokens:

    append    a row of `size` for each head
    scores    rows x [size, length]      a product with a weight, to a PIM: inner size, outer length
    mix       rows x [length, size]      inner length, outer size

The heads are multiplied one after the other, each on all channels, or side by side, each on its
share of them: whichever is faster. Keys lie so that one of them is a run of numbers in one row of a
bank, and appending it is the transfer that is counted for it anyway. Of the values, each number of
a new one belongs to another output, and is written in a burst of its own.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from stagecut import backends
from stagecut.backends.checked import CheckedBackend
from stagecut.backends.pim.device import PimBackend
from stagecut.backends.pim.work import Product
from stagecut.backends.spec import Spec
from stagecut.compiler.ir.device import (
    YES,
    Estimate,
    Executable,
    LinkDriver,
    StageProgram,
    Support,
)
from stagecut.compiler.ir.graph import Graph, Node, Operator
from stagecut.compiler.ir.machine import Device, Memory
from stagecut.compiler.ir.state import State

#: Numbers in a burst of a PIM's memory: 32 bytes of 16 bits each.
_BURST = 16

_VIEWS = frozenset({"Reshape", "Unsqueeze", "Squeeze", "Expand", "Identity"})


@dataclass(frozen=True)
class Caches:
    """The values of a decode step that are a cache or a view of one, with how many heads it has,
    and those that are only on their way into one. Each holds `length` tokens."""

    heads: Mapping[str, int]
    arriving: frozenset[str]
    length: int

    @classmethod
    def of(cls, graph: Graph, states: Sequence[State]) -> "Caches":
        """`graph` has a node for each operator."""
        pasts = {state.past: state.row[-2] for state in states}
        heads: dict[str, int] = {}
        length = 0
        for operator in _operators(graph):
            for value in operator.writes:
                source = operator.inputs[0]
                if source is None:
                    continue
                if operator.op == "Concat" and source.name in pasts:
                    heads[value.name], length = pasts[source.name], value.shape[0]
                elif operator.op in {*_VIEWS, "Transpose"} and source.name in heads:
                    heads[value.name] = heads[source.name]
        return cls(heads, frozenset(state.present for state in states), length)

    def product(self, operator: Operator) -> tuple[Product, int] | None:
        """What one head of a product with the cache is, and how many there are; None for other
        operators."""
        if operator.op != "MatMul":
            return None
        left, right = operator.inputs
        if left is None or right is None or right.name not in self.heads:
            return None
        heads, (inner, outer) = self.heads[right.name], right.shape[-2:]
        return Product(left.elements // inner // heads, inner, outer), heads

    def keeps(self, operator: Operator) -> bool:
        """Whether it only makes the cache longer, or looks at it in another shape."""
        written = [value.name for value in operator.writes]
        return any(name in self.heads or name in self.arriving for name in written)


@dataclass(frozen=True)
class CacheInMemory:
    """The PIM device `inner` with the caches in its memory; it is asked for costs, and runs
    nothing."""

    inner: PimBackend
    spec: str
    caches: Caches

    @property
    def device(self) -> Device:
        return self.inner.device

    @property
    def memory(self) -> Memory:
        return self.inner.memory

    @property
    def links(self) -> tuple[LinkDriver, ...]:
        return self.inner.links

    def supports(self, node: Node) -> Support:
        rest = self._rest(node)
        return self.inner.supports(replace(node, operators=rest)) if rest else YES

    def estimate(self, node: Node) -> Estimate:
        known = self.inner.estimate(replace(node, operators=self._rest(node)))
        products = [found for each in node.operators if (found := self.caches.product(each))]
        parts = [known, *(self._product(*product) for product in products)]
        return Estimate(
            run_s=sum(part.run_s for part in parts),
            energy_j=sum(part.energy_j or 0.0 for part in parts),
            weight_bytes=sum(part.weight_bytes or 0 for part in parts),
            load_s=known.load_s,
        )

    def prepare(self, stage: StageProgram) -> Executable:
        raise AssertionError(f"{stage.name}: modelled costs run nothing")

    def _rest(self, node: Node) -> tuple[Operator, ...]:
        """What has nothing to do with the cache. A view that moves nothing costs nothing."""
        return tuple(
            each
            for each in node.operators
            if not (self.caches.keeps(each) or self.caches.product(each) or _moves_nothing(each))
        )

    def _product(self, product: Product, heads: int) -> Estimate:
        """Of all heads, with what appending costs beyond its transfer."""
        whole = self.inner.architecture.cost(product)
        in_turn_s = heads * whole.spent.run_s
        side_by_side_s = self._side_by_side_s(product, heads)
        of_values = product.inner == self.caches.length
        appended_s = self._scattered_s(product, heads) if of_values else 0.0
        return Estimate(
            run_s=min(in_turn_s, side_by_side_s) + appended_s,
            energy_j=heads * whole.spent.energy_j,
            weight_bytes=heads * whole.weight_bytes,
        )

    def _side_by_side_s(self, product: Product, heads: int) -> float:
        share = self._shares.get(heads)
        return math.inf if share is None else share.architecture.cost(product).spent.run_s

    @cached_property
    def _shares(self) -> Mapping[int, PimBackend]:
        """The device with the channels that each head has, by the number of heads."""
        counts = {*self.caches.heads.values()}
        return {heads: share for heads in counts if (share := _with_share(self.spec, heads))}

    def _scattered_s(self, product: Product, heads: int) -> float:
        write, numbers = self.inner.architecture.write, product.outer * heads
        return max(0.0, write(_BURST * numbers).run_s - write(numbers).run_s)


def with_cache(name: str, spec: str, caches: Caches) -> CacheInMemory:
    """The device of a spec, such as `pim.aim:channels=64`, under a name of its own."""
    return CacheInMemory(replace(_pim(spec), name=name), spec, caches)


def _pim(spec: str) -> PimBackend:
    checked = backends.create(spec)
    inner = checked.inner if isinstance(checked, CheckedBackend) else checked
    if not isinstance(inner, PimBackend):
        raise SystemExit(f"{spec} is no PIM device")
    return inner


def _with_share(spec: str, heads: int) -> PimBackend | None:
    """The same device with one `heads`th of its channels; None where that does not come out."""
    geometry = getattr(_pim(spec).architecture, "geometry", None)
    channels = getattr(geometry, "channels", 0)
    if not channels or channels % heads:
        return None
    parsed = Spec.parse(spec)
    options = {**parsed.options, "channels": str(channels // heads)}
    return _pim(str(replace(parsed, options=options)))


def _moves_nothing(operator: Operator) -> bool:
    """Whether it is a transposition that leaves the dimensions above 1 in their order."""
    source = operator.inputs[0] if operator.inputs else None
    if operator.op != "Transpose" or source is None:
        return False
    order = operator.attributes.get("perm", tuple(range(len(source.shape)))[::-1])
    moved = [at for at in order if source.shape[int(at)] > 1]  # type: ignore[union-attr]
    return moved == sorted(moved)


def _operators(graph: Graph) -> Sequence[Operator]:
    return [operator for node in graph.nodes for operator in node.operators]
