"""Nodes as work for a many-core chip, or the reason why it cannot run them; a view is none.

MatMul, Gelu              > a product with what follows it on its tiles
LayerNorm, MatMul         > a chain, whose rows stay where they are
MatMul, Softmax, MatMul   > attention, and with the product behind it one kernel
"""

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from stagecut.backends.manycore.kernels.attention import Head
from stagecut.backends.manycore.product import Product
from stagecut.backends.manycore.work import (
    Attend,
    Chain,
    Kind,
    Link,
    Move,
    Projected,
    Rows,
    UnsupportedError,
    Work,
)
from stagecut.backends.views import VIEWS
from stagecut.compiler.ir.graph import Node, Operator, Value
from stagecut.compiler.ir.regions import Attention, Gelu, Region, kernels

#: What is done number by number, wherever the numbers are.
_FOLLOWING = frozenset({"gelu", "add", "scale"})


def works_of(node: Node, *, fused: bool) -> tuple[Work, ...]:
    """The work that `node` is made of, in order; see `works`."""
    return works(node.operators, {value.name for value in node.outputs}, fused=fused)


def works(operators: Sequence[Operator], kept: Collection[str], *, fused: bool) -> tuple[Work, ...]:
    """The work of `operators`, in order, of which others read the values that are `kept`; where
    `fused`, what follows a product number by number is done on its tiles. Raises
    UnsupportedError."""
    found: list[Work] = []
    tail = ""  # the result of what `found` ends with, as far as it can be taken up by the next
    rows: list[str] = []  # the results of the kernels of a chain that `found` ends with
    seen: set[str] = set()  # the same, and their views
    parts = kernels(operators, kept)
    readers = Counter(name for kernel in parts for name in _read_by(kernel))
    leaving = readers + Counter(kept)
    for kernel in parts:
        work, result = _work(kernel)
        follows = tail in _read_by(kernel) and not isinstance(kernel, Attention)
        passed = "" if result in kept or readers[result] > 1 else result
        if work is None:
            tail = passed if follows else tail
            if not seen.isdisjoint(_read_by(kernel)):
                seen.add(result)
            continue
        replaced, whole = _together(found, work, kernel, tail) if fused and follows else (0, work)
        if fused and not replaced and found and seen.isdisjoint(_right_of(kernel, work)):
            replaced, whole = _in_place(found[-1], rows, work, kernel)
        if not replaced and found:
            found[-1] = _closed(found[-1], rows, leaving)
        found[len(found) - replaced :] = [whole]
        tail = passed if _is_open(found, kernel, follows=follows) else ""
        rows = _results(whole, rows if replaced else [], result)
        seen = (seen if replaced else set()) | {result}
    return (*found[:-1], *(_closed(last, rows, leaving) for last in found[-1:]))


def _results(whole: Work, before: Sequence[str], result: str) -> list[str]:
    """Of the kernels of a chain, the last of which has this one."""
    if not isinstance(whole, Link | Chain):
        return []
    return [*before[: len(_chain(whole).links) - 1], result]


def _closed(work: Work, rows: Sequence[str], leaving: Mapping[str, int]) -> Work:
    """A chain with what is read by others than its own kernels, so many of all, or by none."""
    if not isinstance(work, Chain):
        return work
    inside = Counter(map(work.source, range(len(work.links))))
    last = len(work.links) - 1
    stored = (at for at in range(last) if not inside[at] or leaving[rows[at]] > inside[at])
    return replace(work, stored=tuple(stored))


def _together(
    found: Sequence[Work], work: Work, kernel: Operator | Region, tail: str
) -> tuple[int, Work]:
    """How much of the end of `found` is one with `work`, which reads it, and what it is then."""
    last = found[-1]
    if isinstance(work, Rows) and work.kind in _FOLLOWING:
        if isinstance(last, Product):
            return 1, replace(last, follow=(*last.follow, work.kind))
        if isinstance(last, Projected):
            follow = (*last.product.follow, work.kind)
            return 1, replace(last, product=replace(last.product, follow=follow))
        if isinstance(last, Chain) and isinstance(last.links[-1], Product):
            product = last.links[-1]
            ending = replace(product, follow=(*product.follow, work.kind))
            return 1, replace(last, links=(*last.links[:-1], ending))
    moves = tuple(each for each in found[-1:] if isinstance(each, Move))
    attend = found[-1 - len(moves)]
    if not (isinstance(work, Product) and isinstance(kernel, Operator)):
        return 0, work
    if isinstance(attend, Attend) and kernel.reads[0].name == tail:
        numbers = attend.count * attend.head.queries * attend.head.d
        if work.count == 1 and work.m * work.k == numbers:
            return 1 + len(moves), Projected(attend, work, moves, kernel.name)
    return 0, work


def _chain(work: Link | Chain) -> Chain:
    return work if isinstance(work, Chain) else Chain((work,))


def _in_place(
    last: Work, rows: Sequence[str], work: Work, kernel: Operator | Region
) -> tuple[int, Work]:
    """What `last` becomes where `work` reads `rows` that one of its kernels has written."""
    if not (isinstance(work, Link) and isinstance(last, Link | Chain)):
        return 0, work
    chain, read = _chain(last), _read_by(kernel)
    if isinstance(work, Product):
        read = {kernel.reads[0].name} if isinstance(kernel, Operator) else set()
    source = max((at for at, name in enumerate(rows) if name in read), default=None)
    if source is None:
        return 0, work
    before = chain.links[source]
    fits = before.columns == (work.k if isinstance(work, Product) else work.columns)
    counts = {link.count for link in (before, work) if isinstance(link, Product)}
    if fits and before.rows == work.rows and counts <= {1}:
        return 1, chain.extended(work, source)
    return 0, work


def _right_of(kernel: Operator | Region, work: Work) -> set[str]:
    """What a product reads all rows of, which other clusters may still have to compute."""
    if not (isinstance(work, Product) and isinstance(kernel, Operator)):
        return set()
    return {value.name for value in kernel.inputs[1:] if value is not None}


def _is_open(found: Sequence[Work], kernel: Operator | Region, *, follows: bool) -> bool:
    """Whether what comes next may be one with what `found` ends with."""
    if isinstance(found[-1], Move):
        return follows and isinstance(found[-2], Attend) and _joins_heads(kernel)
    return not isinstance(found[-1], Move)


def _joins_heads(kernel: Operator | Region) -> bool:
    """Whether it puts the heads of each token side by side."""
    return isinstance(kernel, Operator) and kernel.attributes.get("perm") == (0, 2, 1, 3)


def weights_of(node: Node) -> int:
    """The numbers in the node's float weights, which lie in the HBM."""
    return sum(value.elements for value in node.weights if value.dtype == "float32")


def _read_by(kernel: Operator | Region) -> set[str]:
    if isinstance(kernel, Gelu):
        return {kernel.operand.name}
    if isinstance(kernel, Attention):
        mask = set() if kernel.mask is None else {kernel.mask.name}
        return {kernel.query.name, kernel.key.name, kernel.value.name} | mask
    return {value.name for value in kernel.reads}


def _work(kernel: Operator | Region) -> tuple[Work | None, str]:
    """Its work, none for a view, and the name of its result."""
    if isinstance(kernel, Attention):
        _check(kernel.query, kernel.key, kernel.value, kernel.result)
        return _attend(kernel), kernel.result.name
    if isinstance(kernel, Gelu):
        _check(kernel.operand, kernel.result)
        return _rows("gelu", kernel.result), kernel.result.name
    read = _READERS.get(kernel.op) if kernel.domain in {"", "ai.onnx"} else None
    if read is None:
        raise UnsupportedError(f"{kernel.op}: the library has no kernel for it")
    _check(*_data(kernel), *kernel.writes)
    try:
        return read(kernel), kernel.writes[0].name
    except UnsupportedError as reason:
        raise UnsupportedError(f"{kernel.op}: {reason}") from None


def _check(*values: Value) -> None:
    for value in values:
        if value.dtype != "float32":
            raise UnsupportedError(f"{value.name} is {value.dtype}; only float32 is converted")
        if not value.elements:
            raise UnsupportedError(f"{value.name} is empty")


def _data(operator: Operator) -> tuple[Value, ...]:
    """The operands that hold numbers, as opposed to shapes and places."""
    if operator.op in _PLACED:
        operands = operator.inputs if operator.op == "Concat" else operator.inputs[:1]
    else:
        operands = operator.inputs
    return tuple(value for value in operands if value is not None)


def _attend(region: Attention) -> Attend:
    queries, d = region.query.shape[-2:]
    keys, wide = region.value.shape[-2:]
    count = math.prod(region.result.shape[:-2])
    return Attend(Head(queries, keys, max(d, wide), region.causal), count, region)


def _rows(kind: Kind, value: Value, columns: int = 0) -> Rows:
    columns = columns or (value.shape[-1] if value.shape else 1)
    return Rows(kind, value.elements // columns, columns)


def _matmul(operator: Operator) -> Product:
    left, right = _operands(operator)
    inner = left.shape[-1]
    if right.constant and len(right.shape) <= 2:
        rows = left.elements // inner
        return Product(rows, right.elements // inner, inner)
    outer = 1 if len(right.shape) == 1 else right.shape[-1]
    rows = 1 if len(left.shape) == 1 else left.shape[-2]
    return Product(rows, outer, inner, operator.writes[0].elements // (rows * outer))


def _gemm(operator: Operator) -> Product:
    left, right = _operands(operator)
    bias = operator.inputs[2] if len(operator.inputs) > 2 else None
    if not right.constant:
        raise UnsupportedError("its right factor is no weight")
    if operator.attributes.get("transA", 0):
        raise UnsupportedError("the activation is transposed, which moves every number of it")
    if bias is not None and not bias.constant:
        raise UnsupportedError("its bias is no weight")
    if bias is not None and len(bias.shape) == 2 and bias.shape[0] > 1:
        raise UnsupportedError("its bias is another one for each row")
    rows, inner = left.shape
    outer = operator.writes[0].elements // rows
    return Product(rows, outer, inner, follow=() if bias is None else ("scale",))


def _two(operator: Operator) -> Rows:
    """A second operand that is a weight, or smaller, is fetched once and costs no transfer."""
    result = operator.writes[0]
    whole = [v for v in _operands(operator) if v.elements == result.elements and not v.constant]
    return _rows("add" if len(whole) == 2 else "scale", result)


def _layernorm(operator: Operator) -> Rows:
    if len(operator.writes) > 1:
        raise UnsupportedError("its mean and deviation are not handed out")
    value = _first(operator)
    axis = int(_number(operator, "axis", -1))
    return _rows("layernorm", value, math.prod(value.shape[axis:]))


def _softmax(operator: Operator) -> Rows:
    value = _first(operator)
    if int(_number(operator, "axis", -1)) not in {-1, len(value.shape) - 1}:
        raise UnsupportedError("the kernel works along rows, and not along another axis")
    return _rows("softmax", value)


def _gelu(operator: Operator) -> Rows:
    return _rows("gelu", operator.writes[0])


def _view(operator: Operator) -> None:
    for shape in operator.inputs[1:]:
        if shape is not None and not shape.constant:
            raise UnsupportedError(f"its shape, {shape.name}, is computed while the model runs")


def _moved(operator: Operator) -> Move:
    """Runs as long as the innermost dimension that stays together."""
    if operator.op != "Concat":
        _view(operator)
    written = sum(value.elements for value in operator.writes)
    columns = min((value.shape[-1] if value.shape else 1) for value in operator.writes)
    order = operator.attributes.get("perm")
    if operator.op == "Transpose":
        rank = len(operator.writes[0].shape)
        last = order[-1] if isinstance(order, tuple) else 0
        columns = columns if last == rank - 1 else 1
    return Move(written // columns, columns)


def _operands(operator: Operator) -> tuple[Value, Value]:
    first, second = (value for value in operator.inputs[:2] if value is not None)
    return first, second


def _first(operator: Operator) -> Value:
    return operator.reads[0]


def _number(operator: Operator, name: str, usual: float) -> float:
    found = operator.attributes.get(name, usual)
    return found if isinstance(found, int | float) else usual


_MOVES = ("Transpose", "Split", "Concat", "Slice")
_PLACED = VIEWS | {*_MOVES}

#: Operator -> the function that turns it into work.
_READERS: Mapping[str, Callable[[Operator], Work | None]] = {
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Add": _two,
    "Sub": _two,
    "Mul": _two,
    "LayerNormalization": _layernorm,
    "Softmax": _softmax,
    "Gelu": _gelu,
    **dict.fromkeys(VIEWS, _view),
    **dict.fromkeys(_MOVES, _moved),
}
