"""Arrays at the border of a model: as its users hand them in, and as its engines take them.

Users may have another byte order, any of numpy's kinds of strings, or types that numpy itself lacks
(bfloat16, int4). Engines get native arrays of standard types: a type that numpy lacks is *carried*
by one that holds all of its numbers, and the program casts where it takes them in.

    >f4            -> float32
    S3, U3, bytes  -> objects that are str
    bfloat16       -> float32, and back where the model returns it
"""

from collections.abc import Collection, Container, Mapping
from typing import Any

import ml_dtypes  # noqa: F401  # numpy knows the names of these types from then on
import numpy as np
import numpy.typing as npt

from stagecut.compiler.ir.errors import FeedError

#: The standard type that holds every number of one that numpy lacks.
CARRIERS: Mapping[str, str] = {
    "bfloat16": "float32",
    **dict.fromkeys(("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2"), "float32"),
    **dict.fromkeys(("float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn"), "float32"),
    **dict.fromkeys(("int4", "int2"), "int8"),
    **dict.fromkeys(("uint4", "uint2"), "uint8"),
}


def carrier(dtype: str) -> str:
    """The type in which engines take values of `dtype`."""
    return CARRIERS.get(dtype, dtype)


def check_names(
    inputs: Collection[str],
    given: Collection[str],
    where: str = "input ",
    optional: Container[str] = (),
) -> None:
    """Raises FeedError for an array `given` to no input, and for an input that is given none and is
    not `optional`; `where` stands before its name."""
    for name in given:
        if name not in inputs:
            raise FeedError(
                "the model has no such input",
                where=f"{where}{name}",
                fix=f"its inputs are {', '.join(inputs)}",
            )
    for name in inputs:
        if name not in given and name not in optional:
            raise FeedError(
                "no array is given for it",
                where=f"{where}{name}",
                fix=f"give one for each of {', '.join(inputs)}",
            )


def conformed(name: str, given: npt.ArrayLike, dtype: str) -> npt.NDArray[Any]:
    """`given` as a native array of `dtype`, numpy's name or "string", without another number in it.

    Raises FeedError where it holds something else.
    """
    if isinstance(given, np.ma.MaskedArray):
        raise FeedError(
            "is a masked array, and models know no masks",
            where=f"input {name}",
            fix="fill it: array.filled(0)",
        )
    array = np.asarray(given)
    if dtype == "string":
        return _texts(name, array)
    wanted = np.dtype(dtype)
    if array.dtype == wanted:
        return array
    if array.dtype.kind in "biufc" and array.dtype.newbyteorder("=") == wanted:
        return array.astype(wanted)
    if dtype in CARRIERS and array.dtype == np.dtype((np.void, wanted.itemsize)):
        return array.view(wanted)  # what numpy.save makes of it
    raise FeedError(
        f"the array given for it is {array.dtype}, and the model reads {dtype}",
        where=f"input {name}",
        fix=f"convert it with .astype({dtype!r})",
    )


def carried(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same numbers in a standard type."""
    return array.astype(carrier(array.dtype.name)) if array.dtype.name in CARRIERS else array


def handed_back(array: npt.NDArray[Any], dtype: str) -> npt.NDArray[Any]:
    """What was carried, in its own type `dtype` again."""
    with np.errstate(invalid="ignore"):  # of NaN, which all of these types cast well
        return array.astype(dtype)


def _texts(name: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """An array of objects, each a str."""
    if array.dtype.kind not in "OSUT":
        raise FeedError(
            f"the array given for it is {array.dtype}, and the model reads strings",
            where=f"input {name}",
            fix="convert it with .astype(str)",
        )
    objects = array.astype(object, copy=False)
    if all(type(each) is str for each in objects.flat):
        return objects
    texts = (_text(name, each) for each in objects.flat)
    return np.fromiter(texts, object, objects.size).reshape(objects.shape)


def _text(name: str, given: object) -> str:
    try:
        if isinstance(given, str | bytes):
            return str(given) if isinstance(given, str) else given.decode()
    except UnicodeDecodeError as error:
        raise FeedError(
            f"{given!r} in it is not UTF-8", where=f"input {name}", fix="decode its bytes to str"
        ) from error
    raise FeedError(
        f"{given!r} in it is a {type(given).__name__}, and the model reads strings",
        where=f"input {name}",
        fix="convert it with .astype(str)",
    )
