"""What a session is fed, as the stages of its plan take it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stagecut.compiler.ir.border import carried, conformed
from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.errors import FeedError
from stagecut.compiler.ir.graph import ANY_RANK, Dims, fits
from stagecut.compiler.ir.port import Port
from stagecut.compiler.ir.text import size_text


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of a plan by name, the defaults of those that need not be given, and the names of
    those that are `fixed`: constants of the plan."""

    ports: Mapping[str, Port]
    defaults: Feeds
    fixed: Collection[str]

    def conformed(self, feeds: Feeds) -> Feeds:
        """Each input as the stages take it; raises FeedError for what is none."""
        if not isinstance(feeds, Mapping):
            raise FeedError(
                f"the inputs are a {type(feeds).__name__}, and the plan takes arrays by name",
                fix=f"feed {{{', '.join(f'{name!r}: array' for name in self.ports)}}}",
            )
        for name in feeds:
            if name in self.fixed:
                raise FeedError(
                    "has a default, which is a constant of this plan",
                    where=f"input {name}",
                    fix="leave it out; or give a sample of it when the model is compiled",
                )
            if name not in self.ports:
                raise FeedError(
                    f"there is no input {name!r}", fix=f"the inputs are {', '.join(self.ports)}"
                )
        feeds = {**self.defaults, **feeds}
        for name, port in self.ports.items():
            if name not in feeds:
                raise FeedError(
                    "is missing",
                    where=f"input {name}",
                    fix=f"feed an array of {port.dtype} with shape {size_text(port.declared)}",
                )
        return {name: _taken(port, feeds[name]) for name, port in self.ports.items()}

    def check_dims(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Raises FeedError where a fixed dimension is another, or one name has two sizes.

        `shapes` are those of all inputs, in their order.
        """
        sizes: dict[str, tuple[int, str]] = {}
        found: dict[Dims, tuple[int, ...]] = {}
        for port, shape in zip(self.ports.values(), shapes, strict=True):
            dims = port.declared
            if dims == ANY_RANK or found.get(dims) == shape:  # as of all states of a decoder
                continue
            found[dims] = shape
            where = f"input {port.name}"
            if not fits(dims, shape):
                raise FeedError(
                    f"has shape {size_text(shape)}; the plan takes {size_text(dims)}",
                    where=where,
                    fix="pad or cut it, or compile a model that leaves this dimension open",
                )
            for dim, size in zip(dims, shape, strict=True):
                known, first = sizes.setdefault(str(dim), (size, port.name))
                if isinstance(dim, str) and dim != "?" and known != size:
                    raise FeedError(
                        f"has {dim} = {size} in its shape {size_text(shape)}, and {first} {known}",
                        where=where,
                        fix="feed inputs that belong together",
                    )


def _taken(port: Port, tensor: object) -> Tensor:
    if isinstance(tensor, list | tuple | bool | int | float | str):
        tensor = _listed(port, tensor)
    if not isinstance(tensor, np.ndarray | np.generic):
        raise FeedError(
            f"is a {type(tensor).__name__}, not a numpy array",
            where=f"input {port.name}",
            fix="use numpy.asarray",
        )
    return carried(conformed(port.name, tensor, port.dtype))


def _listed(port: Port, given: object) -> Tensor:
    """Plain Python numbers as an array of the input's type: rounded where that has fewer digits,
    never cut."""
    try:
        plain = np.asarray(given)
        if port.dtype in {"string", plain.dtype.name}:
            return plain
        wanted = np.dtype(port.dtype)
        if plain.dtype.kind in "iu" and wanted.kind in "iu":
            return np.asarray(given, dtype=wanted)  # refuses numbers that do not fit
        if not plain.size or np.can_cast(plain.dtype, wanted, "same_kind"):
            with np.errstate(over="raise"):
                return plain.astype(wanted)
        problem = f"holds {plain.dtype}, and the model reads {port.dtype}"
    except (ValueError, TypeError, ArithmeticError) as error:
        problem = f"is no array of {port.dtype}: {error}"
    raise FeedError(problem, where=f"input {port.name}", fix=f"feed an array of {port.dtype}")
