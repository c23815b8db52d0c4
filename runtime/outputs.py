"""Which outputs a session is asked for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from stagecut.compiler.ir.errors import FeedError


@dataclass(frozen=True, slots=True)
class Outputs:
    """The names of a plan's outputs, and of those of the model that are `left_out` of it, the
    kinds."""

    names: Sequence[str]
    left_out: Mapping[str, str]

    def wanted(self, asked: object) -> Sequence[str]:
        """The names that are `asked` for; all of them, `names` itself, where there are none. Raises
        FeedError for what are no names of outputs."""
        if asked is None:
            return self.names
        if isinstance(asked, str) or not isinstance(asked, Iterable):
            raise FeedError(
                f"they are {asked!r}",
                where="output_names",
                fix="give a list of names, or None for all outputs",
            )
        found = [*asked]  # which may be there to be read but once
        for name in found:
            if name not in self.names:
                kind = self.left_out.get(str(name))
                told = f"output {name!r} is a {kind}, which a plan cannot hand back"
                raise FeedError(
                    told if kind else f"there is no output {name!r}",
                    fix=f"the outputs are {', '.join(self.names)}",
                )
        return found or self.names
