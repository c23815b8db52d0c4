"""An executor that may be let go with its engines and their weights, and be prepared once more."""

from collections.abc import Callable

from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.trace import Trace
from stagecut.runtime.executor import Executor


class Readied:
    """A Runner. `prepare` makes another `executor`, where it is asked for after it was let go."""

    def __init__(self, executor: Executor, prepare: Callable[[], Executor]) -> None:
        self._executor: Executor | None = executor
        self._prepare = prepare

    def __call__(self) -> Executor:
        """Raises EngineError where it cannot be prepared."""
        if self._executor is None:
            self._executor = self._prepare()
        return self._executor

    def release(self) -> None:
        self._executor = None

    def run(self, feeds: Feeds) -> tuple[dict[str, Tensor], Trace]:
        return self().run(feeds)
