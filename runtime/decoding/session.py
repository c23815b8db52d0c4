"""A loaded plan of a decoder: its entries, and sequences that run through them."""

import os
from functools import cached_property

import numpy as np

from stagecut.backends import UNHEARD
from stagecut.compiler.formats.plan_file import Plan
from stagecut.compiler.ir.device import Listener, Tensor
from stagecut.compiler.ir.errors import PlanError
from stagecut.compiler.ir.state import DECODE, Decoding
from stagecut.runtime.decoding.counted import counts_from_front
from stagecut.runtime.decoding.held import Held
from stagecut.runtime.decoding.moves import Moves
from stagecut.runtime.decoding.sequence import Sequence
from stagecut.runtime.decoding.traffic import weight_bytes
from stagecut.runtime.session import Session


class DecoderSession:
    """Runs the plan of a decoder. Safe to use from several threads at once, a sequence in each.

        session = DecoderSession("gpt2.plan")
        with session.sequence() as sequence:
            [logits] = sequence.run("prefill", {"input_ids": prompt})

    All entries are prepared here, for every length: no run prepares anything, unless a device
    cannot run its part without knowing its sizes. Raises PlanError for a plan that is no decoder's,
    and what Session raises.
    """

    def __init__(
        self,
        plan: Plan | str | os.PathLike[str],
        *,
        fallback: bool = False,
        listener: Listener = UNHEARD,
    ) -> None:
        loaded = plan if isinstance(plan, Plan) else Plan.load(plan)
        if loaded.decoding is None:
            raise PlanError(
                "has no entry decode: its model has no cache",
                where=str(loaded.archive.path),
                fix="compile a decoder with past_key_values.* and present.*, such as "
                "zoo:gpt2:past=1024, or run the plan with Session",
            )
        self.decoding: Decoding = loaded.decoding
        #: What a sequence holds beside its tokens, at the sizes that the plan was made for, and
        #: each step reads.
        self.held_bytes: int = loaded.document.held_bytes
        self._step = loaded.entry_named(DECODE).variants[0]
        self.entries = {
            name: Session(loaded, fallback=fallback, entry=name, listener=listener)
            for name in self.decoding.entries
        }
        step = self.entries[DECODE]
        switches = loaded.entry_named(DECODE).planned.switches
        self._moves = Moves(switches, step.variants)
        states = {*self.decoding.presents}
        planned = self.entries[DECODE].planned
        self._outputs = [port.name for port in planned.outputs if port.name not in states]
        self._inputs = {
            name: {port.name: _dtype(port.dtype) for port in session.planned.inputs}
            for name, session in self.entries.items()
        }

    @property
    def capacity(self) -> int:
        """The most tokens that a sequence holds."""
        return self.decoding.capacity

    @property
    def weight_bytes(self) -> int:
        """What a step reads of the weights."""
        return self._looked_up[0]

    @property
    def counts_from_front(self) -> bool:
        """Whether an operator takes the tokens that count for the first ones, so that a shorter
        prompt cannot be filled up in front."""
        return self._looked_up[1]

    @property
    def is_modelled(self) -> bool:
        """Whether a device of it is modelled, so that its runs do not show how fast it is."""
        return any(
            run is not None and run.account.basis == "modelled"
            for run in (
                session.planned.fallback if session.is_fallback else session.planned.run
                for session in self.entries.values()
            )
        )

    @property
    def outputs(self) -> list[str]:
        """The names of what `Sequence.run` hands back, in that order."""
        return [*self._outputs]

    def sequence(self) -> Sequence:
        """A new, empty sequence; of a plan for several at once, all of these."""
        held = Held(self.decoding, self._zeros())
        return Sequence(
            self.entries, self._inputs, self._outputs, self.decoding, held, moves=self._moves
        )

    @cached_property
    def _looked_up(self) -> tuple[int, bool]:
        """Of the step's stages, which are not kept: `weight_bytes` and `counts_from_front`."""
        staged = self._step.staged(fallback=self.entries[DECODE].is_fallback)
        return weight_bytes(staged), counts_from_front(staged)

    def _zeros(self) -> dict[str, Tensor]:
        """What states begin with that nothing is handed on for."""
        handed = {each.target for each in self.decoding.handed}
        begun = {state.past for state in self.decoding.replaced} - handed
        ports = self.entries[DECODE].planned.inputs
        return {
            port.name: np.zeros(port.shape, _dtype(port.dtype))
            for port in ports
            if port.name in begun
        }


def _dtype(name: str) -> "np.dtype[np.generic]":
    return np.dtype(object if name == "string" else name)
