"""HBM-PIM's arithmetic a second time: one number after the other, with nothing but the standard
library, from the description of the hardware. Bits in, bits out: "3c00" is 1.0 in fp16."""

import struct
from collections.abc import Sequence

Half = float


def half(number: float) -> Half:
    """`number` rounded to the nearest fp16 number, ties to even; too large becomes infinite."""
    try:
        return float(struct.unpack("<e", struct.pack("<e", number))[0])
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


def bits(numbers: Sequence[Half]) -> str:
    return " ".join(struct.pack(">e", number).hex() for number in numbers)


def gemv(vector: Sequence[Half], column: Sequence[Half], *, tree: bool = False) -> Half:
    """One output. Every product and every sum of two is exact in a double, and then rounded."""
    tiles = [range(first, first + 128) for first in range(0, len(vector), 128)]
    if tree:
        return _tree([_lanes_added(_accumulate(vector, column, [tile])) for tile in tiles])
    return _lanes_added(_accumulate(vector, column, tiles[0::2] + tiles[1::2]))


def _accumulate(
    vector: Sequence[Half], column: Sequence[Half], tiles: Sequence[range]
) -> list[Half]:
    lanes = [0.0] * 16
    for tile in tiles:
        for index in tile:
            if index < len(vector):
                product = half(column[index] * vector[index])
                lanes[index % 16] = half(product + lanes[index % 16])
    return lanes


def _lanes_added(lanes: Sequence[Half]) -> Half:
    total = lanes[0]
    for lane in lanes[1:]:
        total = half(total + lane)
    return total


def _tree(sums: list[Half]) -> Half:
    if len(sums) == 1:
        return sums[0]
    pairs = [half(first + second) for first, second in zip(sums[0::2], sums[1::2], strict=False)]
    return _tree(pairs + (sums[-1:] if len(sums) % 2 else []))


def multiply_add(first: Half, second: Half, third: Half) -> Half:
    return half(half(first * second) + third)


def relu(operand: Half) -> Half:
    """A set sign bit makes +0."""
    return 0.0 if struct.pack(">e", operand)[0] & 0x80 else operand


def row(count: int, seed: int) -> list[Half]:
    """Numbers of no particular pattern between -4 and 4, the same for ever."""
    numbers = []
    for _ in range(count):
        seed = (seed * 1103515245 + 12345) % 2**31
        numbers.append(half(seed / 2**28 - 4))
    return numbers
