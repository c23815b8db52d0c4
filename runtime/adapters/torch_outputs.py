"""How the outputs of a graph lie in memory, seen in one run of it.

    return x.view(-1), h, h[:, 0], h.T.clone()

Of these the first is a view of an argument and the third one of another output: writing to one
writes to both. Such outputs are made anew as views; the others come out of a plan, and are laid out
with the strides that they have in PyTorch.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch

from stagecut.compiler.ir.errors import ModelError


@dataclass(frozen=True, slots=True)
class View:
    """A view of argument or output number `at`, from whose first number `offset` counts; where it
    is `detached`, gradients do not come through it, though they may through its base."""

    source: Literal["argument", "output"]
    at: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    detached: bool = False

    def of(self, base: torch.Tensor) -> torch.Tensor:
        base = base.detach() if self.detached else base
        return base.as_strided(self.size, self.stride, base.storage_offset() + self.offset)


@dataclass(frozen=True, slots=True)
class Own:
    """An output with memory of its own."""

    stride: tuple[int, ...]

    def of(self, found: torch.Tensor) -> torch.Tensor:
        """`found` as PyTorch would have laid it out."""
        if found.stride() == self.stride:
            return found
        return torch.empty_strided(found.shape, self.stride, dtype=found.dtype).copy_(found)


Output: TypeAlias = View | Own


def observe(
    module: torch.nn.Module, inputs: Sequence[torch.Tensor], copied: Collection[int]
) -> tuple[Output, ...]:
    """Run `module` once, on copies of the inputs at `copied`; torch's random numbers stay.

    Raises ModelError for what it returns, or does to an input, that no plan can do.
    """
    given = [_copy(each) if at in copied else each for at, each in enumerate(inputs)]
    before = [_layout(each) for each in given]
    with torch.random.fork_rng(devices=[]):
        returned = module(*given)
    if [_layout(each) for each in given] != before:
        raise ModelError("it gives an input another shape")
    if not all(isinstance(each, torch.Tensor) for each in returned):
        raise ModelError("it returns what is no tensor")
    owners = {_address(each): at for at, each in enumerate(given) if each.numel()}
    outputs: list[Output] = []
    for each in returned:
        at = owners.get(_address(each)) if each.numel() else None
        if at is None and each.requires_grad:
            raise ModelError("gradients are wanted of what it computes")
        if at is None:
            outputs.append(Own(torch.empty_like(each).stride()))  # copies leave gaps out
        elif _layout(given[at]) == _layout(inputs[at]):
            outputs.append(_view(each, "argument", at, given[at]))
        else:
            raise ModelError("it returns a part of an input that has gaps")
    for group in _sharing(returned, outputs):
        _share(returned, group, outputs)
    return tuple(outputs)


def overlap(arguments: Sequence[torch.Tensor], changed: Collection[int]) -> bool:
    """Whether one of the arguments at `changed` shares memory with another argument."""
    addresses = [_address(each) if each.numel() else None for each in arguments]
    return any(addresses[at] and addresses.count(addresses[at]) > 1 for at in changed)


def _copy(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().clone().requires_grad_(tensor.requires_grad)


def _layout(tensor: torch.Tensor) -> tuple[object, ...]:
    return tensor.shape, tensor.stride()


def _address(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _view(
    tensor: torch.Tensor, source: Literal["argument", "output"], at: int, base: torch.Tensor
) -> View:
    offset = int(tensor.storage_offset()) - int(base.storage_offset())
    detached = base.requires_grad and not tensor.requires_grad
    return View(source, at, tuple(tensor.shape), tensor.stride(), offset, detached)


def _sharing(
    returned: Sequence[torch.Tensor], outputs: Sequence[Output]
) -> Iterator[Sequence[int]]:
    """The outputs that lie in the same memory, where several do."""
    groups: dict[int, list[int]] = defaultdict(list)
    for at, (each, output) in enumerate(zip(returned, outputs, strict=True)):
        if isinstance(output, Own) and each.numel():
            groups[_address(each)].append(at)
    yield from (group for group in groups.values() if len(group) > 1)


def _share(returned: Sequence[torch.Tensor], group: Sequence[int], outputs: list[Output]) -> None:
    """Make the others views of the largest output of `group`, where that holds all of them."""
    largest = max(group, key=lambda at: returned[at].numel())
    base = returned[largest]
    first = int(base.storage_offset())
    cells = {at: _cells(returned[at]) - first for at in group}
    if len(cells[largest]) == int(cells[largest].max()) + 1 and all(
        int(held.min()) >= 0 and int(held.max()) < base.numel() for held in cells.values()
    ):
        for at in group:
            if at != largest:
                outputs[at] = _view(returned[at], "output", largest, base)
    elif len(torch.unique(torch.cat([*cells.values()]))) < sum(map(len, cells.values())):
        raise ModelError("two of its outputs share memory")


def _cells(tensor: torch.Tensor) -> torch.Tensor:
    """Where in its storage the numbers of `tensor` lie, each place once."""
    last = sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True))
    places = torch.arange(last + 1).as_strided(tensor.shape, tensor.stride())
    cells: torch.Tensor = torch.unique(places)
    return cells + int(tensor.storage_offset())
