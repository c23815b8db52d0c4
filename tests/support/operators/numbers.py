"""The numbers that operators are fed with.

fill       any         whatever its type can hold, by the set of data
           ties        few numbers, most of them several times
           positive    0.1 and more
           unit        from -1 to 1
           index:N     whole numbers from 0 to N - 1
data       usual       normally distributed; halves, which are rounded to even, among them
           zero        nothing but zeros
           small       usual numbers by 1e-4, or 1e-2 in formats of 16 bits
           large       1e6 and 1e-6 among usual numbers; the ends of an integer type
           whole       integers of up to 24 bits, as many as float32 holds exactly
           ends        the largest, the least and the smallest number of a float type
           masked      minus infinity among usual numbers
           infinite    both infinities among usual numbers
           nan         NaN among usual numbers
"""

import ml_dtypes
import numpy as np

from stagecut.compiler.ir.device import Tensor

_HALVES = (0.5, -0.5, 1.5, 2.5, -2.5)
_WORDS = ("a", "B", "", "stage cut", "b.c@d")


def numbers(fill: str, data: str, dtype: str, shape: tuple[int, ...], seed: int) -> Tensor:
    """An array by `fill` in one set of `data`; the same for the same seed."""
    rng = np.random.default_rng(seed)
    count = int(np.prod(shape))
    if dtype == "string":
        return np.array(rng.choice(_WORDS, count), object).reshape(shape)
    if fill.startswith("index:"):
        return rng.integers(0, int(fill.removeprefix("index:")), shape).astype(dtype)
    if fill == "ties":
        return rng.integers(0, 3, shape).astype(dtype)
    if fill == "positive":
        return np.asarray(np.abs(rng.standard_normal(shape)) + 0.1).astype(dtype)
    if fill == "unit":
        return np.asarray(rng.uniform(-1, 1, shape)).astype(dtype)
    return _any(data, dtype, count, rng).reshape(shape)


def _any(data: str, dtype: str, count: int, rng: np.random.Generator) -> Tensor:
    if data == "zero":
        return np.zeros(count, dtype)
    if dtype == "bool":
        return rng.random(count) < 0.5
    if np.dtype(dtype).kind in "iu":
        return _integers(data, dtype, count, rng)
    return _floats(data, dtype, count, rng)


def _integers(data: str, dtype: str, count: int, rng: np.random.Generator) -> Tensor:
    limits = np.iinfo(dtype)
    if data == "usual":
        return rng.integers(max(limits.min, -9), 10, count).astype(dtype)
    if data == "whole":
        least, most = max(limits.min, -(2**24)), min(limits.max, 2**24)
        return rng.integers(least, most + 1, count).astype(dtype)
    ends = [limits.min, limits.max, limits.max // 2 + 1, limits.min // 2, limits.max - 3, 7]
    return np.array([ends[at] for at in rng.integers(0, len(ends), count)], dtype)


def _floats(data: str, dtype: str, count: int, rng: np.random.Generator) -> Tensor:
    usual = rng.standard_normal(count) * 3
    at = rng.permutation(count)
    usual[at[: len(_HALVES)]] = _HALVES[: len(at)]
    limits = ml_dtypes.finfo(dtype)  # type: ignore[no-untyped-call]
    much = 1e6 if float(limits.max) > 1e30 else 1e3
    special = {
        "usual": (),
        "small": (),
        "large": (much, 1 / much),
        "ends": (float(limits.max), float(limits.min), float(limits.smallest_subnormal), -0.0),
        "masked": (-np.inf,),
        "infinite": (np.inf, -np.inf),
        "nan": (np.nan,),
    }[data]
    few = at[: max(1, count // 3)] if special else ()
    for turn, where in enumerate(few):
        usual[where] = special[turn % len(special)]
    if data == "small":
        usual /= much ** (2 / 3)
    return usual.astype(dtype)
