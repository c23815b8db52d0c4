"""What the whole model answers in one session of one thread, which is what counts as right.

Each set of inputs runs once, when it is first asked for. One on which the reference cannot run, as
when a number is no index, is left out: the model itself does not run there.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from types import MappingProxyType

from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.errors import EngineError
from stagecut.passes.gate.accuracy import Flaw, Limit, flaws, masked, untouched
from stagecut.passes.gate.further_inputs import SAMPLES, InputSet, further_inputs

_Outputs = Mapping[str, Tensor]


class Reference:
    """Whether outputs are right on the samples, and on further inputs.

    `run` raises EngineError where the reference engine cannot run. `minds_nan` says whether the
    model asks of numbers whether they are any: else what becomes of a NaN or an infinity on its
    way is left to engines (of max(NaN, 0), some make one and some the other), and outputs need only
    be right where none can come. `known` are answers that need no run any more, by the name of
    their inputs.
    """

    def __init__(
        self,
        run: Callable[[Feeds], _Outputs],
        samples: Feeds,
        *,
        minds_nan: bool = False,
        known: Mapping[str, _Outputs] = MappingProxyType({}),
    ) -> None:
        self._run = run
        self._samples = samples
        self._minds_nan = minds_nan
        self._known: dict[str, _Outputs | EngineError] = {**known}
        self._nearby: dict[tuple[str, float], _Outputs | None] = {}

    @cached_property
    def sets(self) -> tuple[InputSet, ...]:
        """Those that say something: the samples first, and none where the reference cannot run on
        these."""
        return tuple(self._telling())

    @property
    def samples(self) -> InputSet:
        return InputSet(SAMPLES, self._samples)

    @property
    def problem(self) -> str:
        """Why nothing can be said of outputs; empty where something can."""
        found = self._found(self.samples)
        return found.problem if isinstance(found, EngineError) else ""

    def outputs(self, inputs: InputSet) -> _Outputs:
        """Raises EngineError where the reference cannot run on them: on none of `sets`."""
        found = self._found(inputs)
        if isinstance(found, EngineError):
            raise found
        return found

    def flaw(self, inputs: InputSet, outputs: _Outputs, limit: Limit) -> Flaw | None:
        """The worst of what is wrong with `outputs`, which are for one of `sets`.

        Only where something seems wrong, it is asked how much the reference's own outputs change
        with roundings.
        """
        where = self._where(inputs)
        expected = self._within(self.outputs(inputs), where)
        found = {name: outputs[name] for name in expected if name in outputs}
        found_there = found if where is None else masked(found, {n: where[n] for n in found})
        if not any(flaws(found_there, expected, limit)):
            return None
        binding = limit.asked and inputs.name == SAMPLES
        nearby = None if binding else self._near(inputs, limit.rounding)
        around = None if nearby is None else self._within(nearby, where)
        return max(
            flaws(found_there, expected, limit, around),
            key=lambda flaw: flaw.relative,
            default=None,
        )

    def _telling(self) -> Iterator[InputSet]:
        if self.problem:
            return
        for each in further_inputs(self._samples):
            if isinstance(self._found(each), EngineError):
                continue
            if not each.numbers or self._minds_nan or self._where(each) is not None:
                yield each

    def _where(self, inputs: InputSet) -> _Outputs | None:
        """The places of the outputs that a NaN or an infinity does not reach; None for all of
        them, or where it reaches all."""
        if not inputs.numbers or self._minds_nan:
            return None
        others = [self._found(each) for each in inputs.numbers]
        known = [each for each in others if not isinstance(each, EngineError)]
        if len(known) < len(others):
            return None
        return untouched(self.outputs(inputs), known)

    @staticmethod
    def _within(outputs: _Outputs, where: _Outputs | None) -> _Outputs:
        return outputs if where is None else masked(outputs, where)

    def _near(self, inputs: InputSet, by: float) -> _Outputs | None:
        key = (inputs.name, by)
        if key not in self._nearby:
            try:
                self._nearby[key] = self._run(inputs.near(self._samples, by))
            except EngineError:
                self._nearby[key] = None
        return self._nearby[key]

    def _found(self, inputs: InputSet) -> _Outputs | EngineError:
        if inputs.name not in self._known:
            try:
                self._known[inputs.name] = self._run(inputs.feeds)
            except EngineError as error:
                self._known[inputs.name] = error
        return self._known[inputs.name]
