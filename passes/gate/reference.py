"""What the whole model answers in one session of one thread, which is what counts as right.

Each set of inputs runs when it is first asked for, and again only where its outputs are too large
to be kept (kept.py). One on which the reference cannot run, as when a number is no index, is left
out: the model itself does not run there.
"""

from collections.abc import Callable, Iterator
from functools import cached_property

from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import EngineError
from stagecut.passes.gate.accuracy import (
    NO_SCALE,
    Flaw,
    Limit,
    Scale,
    flaws,
    masked,
    scale_of,
    untouched,
)
from stagecut.passes.gate.further_inputs import SAMPLES, InputSet, further_inputs
from stagecut.passes.gate.kept import MOST_BYTES, Kept, Outputs


class Reference:
    """Whether outputs are right on the samples, and on further inputs.

    `run` raises EngineError where the reference engine cannot run. `minds_nan` says whether the
    model asks of numbers whether they are any: else what becomes of a NaN or an infinity on its
    way is left to engines (of max(NaN, 0), some make one and some the other), and outputs need only
    be right where none can come. Of its answers, at most `most_bytes` are kept, and one more.
    """

    def __init__(
        self,
        run: Callable[[Feeds], Outputs],
        samples: Feeds,
        *,
        minds_nan: bool = False,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._run = run
        self._samples = samples
        self._minds_nan = minds_nan
        self._kept = Kept[tuple[str, float]](most_bytes)
        self._places: dict[str, Outputs | None] = {}

    @cached_property
    def sets(self) -> tuple[InputSet, ...]:
        """Those that say something: the samples first, and none where the reference cannot run on
        these."""
        return tuple(self._telling())

    @property
    def samples(self) -> InputSet:
        return InputSet(SAMPLES, self._samples)

    @cached_property
    def problem(self) -> str:
        """Why nothing can be said of outputs; empty where something can."""
        found = self._found(self.samples)
        return found if isinstance(found, str) else ""

    def runs_on(self, inputs: InputSet) -> bool:
        return not isinstance(self._found(inputs), str)

    def outputs(self, inputs: InputSet) -> Outputs:
        """Raises EngineError where the reference cannot run on them: on none of `sets`."""
        found = self._found(inputs)
        if isinstance(found, str):
            raise EngineError(found, where=inputs.name)
        return found

    def known(self, inputs: InputSet) -> Outputs | str:
        """The outputs on inputs that others will ask for, too, or why there are none."""
        return self._found(inputs)

    def once(self, inputs: InputSet) -> Outputs | str:
        """The outputs on inputs that are not asked for again, or why there are none."""
        return self._found(inputs) if _key(inputs) in self._kept else self._answer(inputs.feeds)

    def flaw(self, inputs: InputSet, outputs: Outputs, limit: Limit) -> Flaw | None:
        """The worst of what is wrong with `outputs`, which are for one of `sets`.

        Only where something seems wrong, it is asked how much the reference's own outputs change
        with roundings.
        """
        where = self._where(inputs)
        expected = self._within(self.outputs(inputs), where)
        found = {name: outputs[name] for name in expected if name in outputs}
        found_there = found if where is None else masked(found, {n: where[n] for n in found})
        scale = self.scale(inputs, limit)
        if not any(flaws(found_there, expected, limit, scale=scale)):
            return None
        binding = limit.asked and inputs.name == SAMPLES
        nearby = None if binding else self._near(inputs, limit.rounding)
        around = None if nearby is None else self._within(nearby, where)
        return max(
            flaws(found_there, expected, limit, around, scale),
            key=lambda flaw: flaw.relative,
            default=None,
        )

    def scale(self, inputs: InputSet, limit: Limit) -> Scale:
        """What errors on `inputs` are a part of, beside the largest numbers there."""
        if not limit.lower or inputs.name == SAMPLES:
            return NO_SCALE
        return self._samples_scale

    @cached_property
    def _samples_scale(self) -> Scale:
        return scale_of(self.outputs(self.samples))

    def _telling(self) -> Iterator[InputSet]:
        if self.problem:
            return
        for each in further_inputs(self._samples):
            if not self.runs_on(each):
                continue
            if not each.numbers or self._minds_nan or self._where(each) is not None:
                yield each

    def _where(self, inputs: InputSet) -> Outputs | None:
        """The places of the outputs that a NaN or an infinity does not reach; None for all of
        them, or where it reaches all."""
        if not inputs.numbers or self._minds_nan:
            return None
        if inputs.name not in self._places:
            self._places[inputs.name] = self._untouched(inputs)
        return self._places[inputs.name]

    def _untouched(self, inputs: InputSet) -> Outputs | None:
        others = [self.once(each) for each in inputs.numbers]
        known = [each for each in others if not isinstance(each, str)]
        return untouched(self.outputs(inputs), known) if len(known) == len(others) else None

    @staticmethod
    def _within(outputs: Outputs, where: Outputs | None) -> Outputs:
        return outputs if where is None else masked(outputs, where)

    def _near(self, inputs: InputSet, by: float) -> Outputs | None:
        near = _key(inputs, by)
        shaken = self._kept(near, lambda: self._answer(inputs.near(self._samples, by)))
        return None if isinstance(shaken, str) else shaken

    def _found(self, inputs: InputSet) -> Outputs | str:
        return self._kept(_key(inputs), lambda: self._answer(inputs.feeds))

    def _answer(self, feeds: Feeds) -> Outputs | str:
        """Why there is none, where there is none: an error would keep all that it came from."""
        try:
            return self._run(feeds)
        except EngineError as error:
            return error.problem


def _key(inputs: InputSet, by: float = 0.0) -> tuple[str, float]:
    """Of inputs that roundings changed by that part."""
    return inputs.name, by
