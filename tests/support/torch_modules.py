"""Small PyTorch modules, one for each thing that an importer can trip over."""

import torch
from torch import Tensor, nn


class Linear(nn.Module):
    """(n, 3) to (n, 4), with dropout that must not survive."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layers(x)
        return result


class Difference(nn.Module):
    """Not the same when its arguments change places."""

    def forward(self, left: Tensor, right: Tensor, scale: float = 2.0) -> Tensor:
        return left - scale * right


class Nested(nn.Module):
    def forward(self, pair: tuple[Tensor, Tensor], table: dict[str, Tensor]) -> Tensor:
        return pair[0] - pair[1] * table["factor"]


class Unused(nn.Module):
    def forward(self, x: Tensor, unused: Tensor) -> Tensor:
        return x + 1


class HandsBack(nn.Module):
    """An input as an output, and one value twice."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        result = x + 1
        return x, result, result


class Keyed(nn.Module):
    """A dict, with keys that are also the names of an input and of values on the way."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"mul": x + 1, "x": x * 2, "logits": x - (x + 1) * 3}


class ReturnsNumber(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, int]:
        return x + 1, 3


class ReturnsNone(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return x + 1, None


class ReturnsNothing(nn.Module):
    def forward(self, x: Tensor) -> None:
        x + 1


class Branches(nn.Module):
    """Control flow that depends on the numbers: torch.export must refuse it."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 1 if x.sum() > 0 else x - 1


class Breaks(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise ValueError("no such luck")


class Untranslatable(nn.Module):
    """An operator that ONNX does not have."""

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = torch.linalg.eigvals(x).real
        return result


class Counter(nn.Module):
    """Counts its calls in a buffer."""

    n: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("n", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.n.add_(1)
        return x + self.n


class Doubles(nn.Module):
    """Doubles what it is given, and returns the sum, under a name that one could collide with."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"x_after": x.mul_(2).sum()}


class Clears(nn.Module):
    """Returns nothing."""

    def forward(self, x: Tensor) -> None:
        x[0] = 0


class Spectrum(nn.Module):
    """Complex numbers on the way only."""

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = torch.fft.rfft(x).abs()
        return result


class Rfft(nn.Module):
    """Complex numbers as its result."""

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = torch.fft.rfft(x)
        return result
