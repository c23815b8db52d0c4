"""One input of a stream, from when it arrives until its future has an answer."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Protocol, TypeAlias

from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.planned_stream import PlannedStream
from stagecut.runtime.executor import Passage
from stagecut.runtime.stream.promise import Promise
from stagecut.runtime.unprofiled_shapes import Shapes

if TYPE_CHECKING:
    from stagecut.runtime.stream.group import Group

Outputs: TypeAlias = list[Tensor]

#: What tells whoever waits for an input what became of it.
Told: TypeAlias = "Promise | Future[Outputs]"


class Served(Protocol):
    """What items go through: a variant of a plan, or what is like one."""

    @property
    def shapes(self) -> Shapes:
        """Those that it is made for."""
        ...

    @property
    def devices(self) -> Sequence[str]:
        """That of each stage."""
        ...

    @property
    def stream(self) -> PlannedStream | None: ...
    @property
    def run_s(self) -> float:
        """What a single run takes by the plan; 0 where that is not known."""
        ...

    @property
    def has_full_batches(self) -> bool:
        """Whether there are stages of their own for these, and for no other batches."""
        ...

    def passes(self, shapes: Shapes) -> bool:
        """Whether they can go through stage by stage; else `outputs` has to be asked."""
        ...

    def passage(self, feeds: Feeds, shapes: Shapes) -> Passage: ...
    def joined(self, passages: Sequence[Passage]) -> Passage:
        """One for a full batch, of as many of single inputs, which are before the same stage."""
        ...

    def part(self, passage: Passage, at: int, of: int) -> Passage:
        """That of a single input, of one for a full batch."""
        ...

    def outputs(self, feeds: Feeds, shapes: Shapes) -> Mapping[str, Tensor]: ...


@dataclass(eq=False, slots=True)
class Item:
    """`feeds` of these `shapes`, as the stages of `variant` take them; `handed_back` makes a list
    of the outputs. `owner` is kept for as long as the item is in flight."""

    variant: Served
    feeds: Feeds
    shapes: Shapes
    handed_back: Callable[[Feeds], Outputs]
    owner: object = None
    #: A Future where it is handed out.
    future: Told = field(default_factory=Promise)
    arrived_s: float = 0.0
    #: Set once the item is admitted, or never will be; only where somebody waits for that.
    admitted: Event | None = None
    #: Whether it may be dropped for a later one.
    can_be_dropped: bool = False
    #: Those that are in a call with it, or were in the latest one.
    group: "Group | None" = None

    def let_in(self) -> None:
        if self.admitted is not None:
            self.admitted.set()

    def begins(self) -> bool:
        """Whether it is still wanted; from now on it cannot be cancelled."""
        return self.future.set_running_or_notify_cancel()

    def answer(self, result: Outputs | BaseException) -> None:
        """Where it was cancelled meanwhile, nobody wants to know."""
        try:
            if isinstance(result, BaseException):
                self.future.set_exception(result)
            else:
                self.future.set_result(result)
        except InvalidStateError:
            return

    def cancel(self) -> None:
        """Only before it begins."""
        self.future.cancel()
        self.future.set_running_or_notify_cancel()
        self.let_in()
