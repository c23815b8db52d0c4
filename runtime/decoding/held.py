"""What a sequence holds whole: what `encode` handed on, and states that each run replaces.

encode     > memory, hidden
decode     reads memory, hidden > hidden       the next one reads memory, and this hidden
"""

from collections.abc import Mapping

from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.state import Decoding


class Held:
    """Arrays by the names of the inputs that read them; nothing is ever written into one.

    `first` are what states begin with that are not handed on.
    """

    def __init__(self, decoding: Decoding, first: Feeds) -> None:
        self._decoding = decoding
        self._first: Mapping[str, Tensor] = dict(first)
        self._arrays = dict(first)

    @property
    def is_encoded(self) -> bool:
        """Whether there is all that the first run reads."""
        return all(each.target in self._first for each in self._decoding.handed)

    @property
    def size_bytes(self) -> int:
        return sum(array.nbytes for array in self._arrays.values())

    @property
    def arrays(self) -> dict[str, Tensor]:
        return self._arrays

    def begin(self, outputs: Feeds) -> None:
        """Hold what `encode` said, by the names of its outputs."""
        said = {each.target: outputs[each.source] for each in self._decoding.handed}
        self._first = {**self._first, **said}
        self.rewind()

    def replace(self, outputs: Feeds) -> None:
        """Hold what a run handed back."""
        for state in self._decoding.replaced:
            self._arrays[state.past] = outputs[state.present]

    def rewind(self) -> None:
        """To before the first token."""
        self._arrays = dict(self._first)

    def copy(self) -> "Held":
        """The same; the arrays are shared."""
        other = Held(self._decoding, self._first)
        other._arrays = dict(self._arrays)
        return other
