"""A small program that is ready to be measured, and how often that ran something."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from stagecut import backends
from stagecut.compiler.context import CompileContext, Settings
from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.measure.crash_journal import Crash
from stagecut.compiler.measurements import Measurements
from stagecut.runtime.executor import Executor
from tests.support.onnx_models import MODELS

SPECS = ("cpu.serial", "null:memory=pim")


@pytest.fixture
def measure(tmp_path: Path) -> Callable[..., Measurements]:
    """Of a small model, on the host and on a modelled device."""

    def made(
        crashes: tuple[Crash, ...] = (), model: str = "residual", **settings: object
    ) -> Measurements:
        engines = backends.create_all(SPECS)
        quiet = {"effort": "quick", "load": lambda: None, **settings}
        chosen = Settings(**quiet)  # type: ignore[arg-type]
        specs = dict(zip(engines, SPECS, strict=True))
        context = CompileContext(engines, specs, chosen, None, crashes)
        program = load_program(MODELS[model].proto())
        folder = tmp_path / f"weights-{len([*tmp_path.iterdir()])}"
        folder.mkdir()
        [weights] = write_weights([program.model], folder)
        return Measurements(context, program, graph_of(program), weights)

    return made


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often an executor was made, and run."""
    counts: Counter[str] = Counter()
    make, run = Executor.__init__, Executor.run

    def made(self: Executor, *arguments: object, **named: object) -> None:
        counts["made"] += 1
        make(self, *arguments, **named)  # type: ignore[arg-type]

    def ran(self: Executor, feeds: object) -> object:
        counts["run"] += 1
        return run(self, feeds)  # type: ignore[arg-type]

    monkeypatch.setattr(Executor, "__init__", made)
    monkeypatch.setattr(Executor, "run", ran)
    return counts
