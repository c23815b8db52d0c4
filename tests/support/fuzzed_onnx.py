"""Random ONNX graphs by the thousand, grown of many families of operators."""

from collections.abc import Callable, Iterator

from tests.support import fuzzed_moves as moves
from tests.support import fuzzed_numbers as numbers
from tests.support.fuzzed_grower import Fuzzed, Grower


def _families() -> Iterator[Callable[[Grower], None]]:
    common = (
        numbers.add_unary,
        numbers.add_binary,
        moves.add_reshape,
        moves.add_transpose,
        moves.add_slice,
        numbers.add_matmul,
        moves.add_concat,
        numbers.add_reduce,
    )
    for family in common:
        yield from [family] * 3
    yield from (
        numbers.add_logic,
        numbers.add_variadic,
        numbers.add_arg,
        numbers.add_softmax,
        numbers.add_norm,
        numbers.add_conv,
        numbers.add_conv,
        moves.add_shape_of,
        moves.add_squeeze,
    )
    yield from (
        moves.add_gather,
        moves.add_scatter,
        moves.add_pad,
        moves.add_split,
        moves.add_expand,
        moves.add_where,
        numbers.add_clip,
        numbers.add_topk,
        numbers.add_cumsum,
        moves.add_by_data,
    )
    yield from (
        numbers.add_cast,
        moves.add_others,
        numbers.add_quantise,
        numbers.add_resize,
        moves.add_texts,
        numbers.add_recurrent,
        moves.add_sequence,
        moves.add_if,
        moves.add_loop,
    )
    yield moves.add_function


_FAMILIES = tuple(_families())


def fuzzed(seed: int) -> Fuzzed:
    """The model of this seed."""
    return Grower(seed, _FAMILIES).model()
