"""Notice that weights have changed, at the cost of a fraction of a microsecond each.

    param.add_(1), load_state_dict, optimizer.step()    torch counts a version up
    param.data = other                                  the memory is another
    module.weight = nn.Parameter(...)                   the tensor is another
    param.data.add_(1), numpy's views of it             no count, so a number of each is compared

What is not noticed: numbers written through `.data` or numpy that leave the middle one of every
weight as it was.
"""

from collections.abc import Sequence
from operator import attrgetter, is_

import torch

from stagecut.compiler.ir.device import Tensor

_version = attrgetter("_version")

#: Integers of the size of a weight's numbers, for which NaN is NaN.
_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def can_be_watched(tensor: torch.Tensor) -> bool:
    """torch counts no versions of tensors made under inference_mode."""
    return not tensor.is_inference()


class Weights:
    """Those of the arguments of a graph that are at `places`, as they are now."""

    def __init__(self, arguments: Sequence[torch.Tensor], places: Sequence[int]) -> None:
        self._places = tuple(places)
        self._tensors = [arguments[at] for at in places]
        self._versions = list(map(_version, self._tensors))
        # Held, so that no other tensor comes to lie where a weight lay.
        self._held = [tensor.detach() for tensor in self._tensors]
        self._addresses = list(map(torch.Tensor.data_ptr, self._tensors))
        self._read = [_middle(tensor).item for tensor in self._held if tensor.numel()]
        self._numbers = [read() for read in self._read]

    def are_in(self, arguments: Sequence[torch.Tensor]) -> bool:
        """Whether these are the weights in `arguments`, with the same numbers."""
        tensors = [arguments[at] for at in self._places]
        return (
            all(map(is_, tensors, self._tensors))
            and list(map(_version, tensors)) == self._versions
            and list(map(torch.Tensor.data_ptr, tensors)) == self._addresses
            and [read() for read in self._read] == self._numbers
        )

    def of(self, arguments: Sequence[torch.Tensor]) -> "Weights":
        """The weights at the same places of other arguments."""
        return Weights(arguments, self._places)


def _middle(tensor: torch.Tensor) -> Tensor:
    """The number in the middle of `tensor`, in its memory."""
    number = tensor[tuple(size // 2 for size in tensor.shape)]
    array: Tensor = number.view(_BITS[tensor.element_size()]).numpy()
    return array
