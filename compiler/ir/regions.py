"""Operators that a device may run as one kernel: attention, and GELU written out.

    attention    MatMul(query, key) [Mul | Div by a number] [Add mask] Softmax MatMul(., value)
                 or ONNX's Attention
    gelu         x/2 (1 + tanh(c (x + d x^3))), or x/2 (1 + erf(x / c)), operator by operator

A region has one result, and nothing outside of it reads what it computes on the way: so it can be
one node, whatever is around it. The planning view has no numbers: that those of a GELU are GELU's
is for the device to see that runs it.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeGuard

from stagecut.compiler.ir.graph import Operator, Value


@dataclass(frozen=True, slots=True)
class Attention:
    """softmax(factor query key + mask) value, of [..., rows, d], [..., d, keys], [..., keys, e].

    `key_is_turned` where the key comes as [..., keys, d]. The factor is a number, by which scores
    are divided where it `divides`; `scale` where it is known.
    """

    operators: tuple[Operator, ...]
    query: Value
    key: Value
    value: Value
    result: Value
    factor: Value | None = None
    divides: bool = False
    mask: Value | None = None
    scale: float | None = None
    causal: bool = False
    key_is_turned: bool = False


@dataclass(frozen=True, slots=True)
class Gelu:
    """GELU of `operand`, by tanh or by erf."""

    operators: tuple[Operator, ...]
    operand: Value
    result: Value
    by_tanh: bool


Region: TypeAlias = Attention | Gelu

_BINARY = frozenset({"MatMul", "Mul", "Div", "Add", "Pow"})


def regions(operators: Sequence[Operator], kept: Collection[str]) -> Iterator[Region]:
    """The regions among `operators`, in the order of their first one; `kept` are the names of
    values that are read elsewhere."""
    context = _Context(operators, kept)
    for operator in operators:
        if operator.domain:
            continue
        found = _FINDERS.get(operator.op, _nothing)(operator, context)
        if found is not None and context.is_closed(found):
            yield found


def kernels(operators: Sequence[Operator], kept: Collection[str]) -> tuple[Operator | Region, ...]:
    """`operators` in their order, with each region in place of its last one."""
    last: dict[str, Region] = {}
    inside: set[str] = set()
    for region in regions(operators, kept):
        inside.update(operator.name for operator in region.operators)
        last[region.operators[-1].name] = region
    return tuple(
        last.get(operator.name, operator)
        for operator in operators
        if operator.name in last or operator.name not in inside
    )


class _Context:
    """Who writes and who reads each value."""

    def __init__(self, operators: Sequence[Operator], kept: Collection[str]) -> None:
        self._kept = kept
        self._place = {operator.name: at for at, operator in enumerate(operators)}
        self._writer = {value.name: each for each in operators for value in each.writes}
        self._readers: dict[str, list[Operator]] = {}
        for operator in operators:
            for value in operator.reads:
                self._readers.setdefault(value.name, []).append(operator)

    def writer(self, value: Value | None, *ops: str) -> Operator | None:
        """What writes `value`, if it is one of `ops`."""
        found = None if value is None else self._writer.get(value.name)
        return found if found is not None and _is(found, *ops) else None

    def reader(self, operator: Operator, *ops: str) -> Operator | None:
        """What reads the result of `operator`, if it is alone and one of `ops`."""
        readers = self._readers.get(operator.writes[0].name, [])
        return readers[0] if len(readers) == 1 and _is(readers[0], *ops) else None

    def in_order(self, *operators: Operator | None) -> tuple[Operator, ...]:
        """Each that there is, once, in the order of the graph."""
        present = {each.name: each for each in operators if each is not None}
        return tuple(sorted(present.values(), key=lambda each: self._place[each.name]))

    def is_closed(self, region: Region) -> bool:
        """Whether nothing but its result is read outside of it."""
        names = {operator.name for operator in region.operators}
        inner = (
            value.name
            for operator in region.operators
            for value in operator.writes
            if value.name != region.result.name
        )
        return all(
            name not in self._kept
            and all(reader.name in names for reader in self._readers.get(name, ()))
            for name in inner
        )


def _nothing(_: Operator, __: _Context) -> None:
    return None


def _is(operator: Operator, *ops: str) -> bool:
    """Whether it is one of `ops`, with as many operands as these have."""
    operands = 2 if operator.op in _BINARY else 1
    return not operator.domain and operator.op in ops and len(operator.inputs) == operands


def _operand(operator: Operator, at: int) -> Value | None:
    return operator.inputs[at] if at < len(operator.inputs) else None


def _is_number(value: Value) -> bool:
    return value.constant and value.elements == 1


def _with_number(operator: Operator) -> tuple[Value, Value] | None:
    """The operand and the number that it is combined with; only what commutes may be turned."""
    first, second = operator.inputs
    if first is None or second is None:
        return None
    if _is_number(second):
        return first, second
    if _is_number(first) and operator.op in {"Add", "Mul"}:
        return second, first
    return None


def _attention(softmax: Operator, context: _Context) -> Attention | None:
    """Around a softmax over the last dimension."""
    scores, after = _operand(softmax, 0), context.reader(softmax, "MatMul")
    if scores is None or after is None or after.inputs[0] != softmax.writes[0]:
        return None
    by_row = softmax.attributes.get("axis", -1) in {-1, len(scores.shape) - 1}
    masked, mask = context.writer(scores, "Add"), None
    unmasked: Value | None = scores
    if masked is not None:
        unmasked, mask = _masked(masked, context)
    scaled = context.writer(unmasked, "Mul", "Div")
    both = (unmasked, None) if scaled is None else _with_number(scaled)
    before = None if both is None else context.writer(both[0], "MatMul")
    if both is None or before is None or not by_row:
        return None
    (query, key), value = before.inputs, after.inputs[1]
    computed = (*before.writes, *softmax.writes)
    if not (_is_activation(query) and _is_activation(key) and _is_activation(value)):
        return None
    if value in computed or mask in computed:
        return None
    return Attention(
        context.in_order(before, scaled, masked, softmax, after),
        query,
        key,
        value,
        after.writes[0],
        both[1],
        scaled is not None and scaled.op == "Div",
        mask,
    )


def _is_activation(value: Value | None) -> TypeGuard[Value]:
    """A matrix that is computed while the model runs."""
    return value is not None and not value.constant and len(value.shape) >= 2


def _masked(add: Operator, context: _Context) -> tuple[Value | None, Value | None]:
    """The scores and the mask that are added: scores come of a product, scaled or not."""
    first, second = add.inputs
    if context.writer(first, "MatMul", "Mul", "Div") is None:
        first, second = second, first
    return first, second


def _attention_operator(operator: Operator, _: _Context) -> Attention | None:
    """ONNX's Attention of four dimensions, without a cache of its own."""
    query, key, value = (_operand(operator, at) for at in range(3))
    further = any(_operand(operator, at) is not None for at in (4, 5, 6))
    if query is None or key is None or value is None or len(query.shape) != 4:
        return None
    plain = not operator.attributes.get("softcap") and len(operator.writes) == 1
    if further or not plain or query.shape[1] != key.shape[1]:
        return None
    scale = operator.attributes.get("scale")
    return Attention(
        (operator,),
        query,
        key,
        value,
        operator.writes[0],
        mask=_operand(operator, 3),
        scale=float(scale) if isinstance(scale, float) else query.shape[-1] ** -0.5,
        causal=bool(operator.attributes.get("is_causal", 0)),
        key_is_turned=True,
    )


def _gelu_by_tanh(tanh: Operator, context: _Context) -> Gelu | None:
    scaled = context.writer(_operand(tanh, 0), "Mul")
    inner = None if scaled is None else _with_number(scaled)
    added = None if inner is None else context.writer(inner[0], "Add")
    if added is None:
        return None
    for x, cube in (added.inputs, added.inputs[::-1]):
        cubed = context.writer(cube, "Mul")
        inner = None if cubed is None else _with_number(cubed)
        power = None if inner is None else context.writer(inner[0], "Pow")
        if x is not None and power is not None and power.inputs[0] == x:
            return _halved(tanh, x, (power, cubed, added, scaled), context, by_tanh=True)
    return None


def _gelu_by_erf(erf: Operator, context: _Context) -> Gelu | None:
    scaled = context.writer(_operand(erf, 0), "Mul", "Div")
    inner = None if scaled is None else _with_number(scaled)
    if inner is None:
        return None
    return _halved(erf, inner[0], (scaled,), context, by_tanh=False)


def _halved(
    inner: Operator,
    x: Value,
    before: tuple[Operator | None, ...],
    context: _Context,
    *,
    by_tanh: bool,
) -> Gelu | None:
    """The rest: (inner + 1) times x, where one of the two or the result is halved."""
    plus = context.reader(inner, "Add")
    product = None if plus is None else context.reader(plus, "Mul")
    if plus is None or product is None or _with_number(plus) is None:
        return None
    other = next((each for each in product.inputs if each != plus.writes[0]), None)
    half = context.writer(other, "Mul")
    halved = None if half is None else _with_number(half)
    if half is not None and halved is not None and halved[0] == x:
        operators = context.in_order(*before, inner, plus, half, product)
        return Gelu(operators, x, product.writes[0], by_tanh)
    last = context.reader(product, "Mul")
    if other != x or last is None or _with_number(last) is None:
        return None
    operators = context.in_order(*before, inner, plus, product, last)
    return Gelu(operators, x, last.writes[0], by_tanh)


_FINDERS = {
    "Softmax": _attention,
    "Attention": _attention_operator,
    "Tanh": _gelu_by_tanh,
    "Erf": _gelu_by_erf,
}
