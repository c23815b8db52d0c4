"""Everything that can be done with a plan file, step by step, and how each step ended.

A step that works, or says by an error of ours why it does not, is fine. Any other exception is a
fault; so is an output that is not what the model computes.
"""

import io
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np
from rich.console import Console

from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.formats.plan_file import Plan
from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.ir.port import InputPort
from stagecut.compiler.report.decoding import DecodingFigures
from stagecut.compiler.report.export.dot import to_dot
from stagecut.compiler.report.export.json import difference_json, to_json
from stagecut.compiler.report.export.onnx import annotated, write_model
from stagecut.compiler.report.model.build import build_report
from stagecut.compiler.report.model.content import Report
from stagecut.compiler.report.model.difference import compare
from stagecut.compiler.report.page.html import to_html
from stagecut.compiler.report.terminal import report as terminal
from stagecut.compiler.report.terminal.difference import print_difference
from stagecut.runtime import Session
from stagecut.runtime.decoding.generate import Generator
from stagecut.runtime.feeds import random_feeds

Result = TypeVar("Result")

FINE = "fine"
REFUSED = "refused"


#: A plan -> each step of running it, and how it ended; the last word is whether numbers changed.
Runs: TypeAlias = Callable[[Plan, bool], Iterator[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Reference:
    """A plan before anything was changed, and how to run what became of it."""

    plan: Plan
    runs: Runs


def outcomes(
    path: Path, reference: Reference, *, changes_numbers: bool
) -> Iterator[tuple[str, str]]:
    """Each step that was tried, and how it ended: fine, refused, or what the fault was.

    Outputs are compared with the reference unless the mutant `changes_numbers`.
    """
    ending, plan = _tried(partial(Plan.load, path))
    yield "load", ending
    if plan is None:
        return
    console = Console(file=io.StringIO(), width=120)
    ending, report = _tried(partial(_report, plan))
    yield "report", ending
    for name, step in _of_report(report, console) if report else ():
        yield name, _tried(step)[0]
    yield "onnx", _tried(partial(_exported, plan))[0]
    yield "diff", _tried(partial(_differs, plan, reference.plan, console))[0]
    yield from reference.runs(plan, changes_numbers)


def runs_of_model(feeds: Feeds, values: Mapping[str, Tensor]) -> Runs:
    """Runs of a plan by itself and as a stream; of `feeds`, its model's values are these."""

    def runs(plan: Plan, changes_numbers: bool) -> Iterator[tuple[str, str]]:
        ending, session = _tried(partial(Session, plan))
        yield "session", ending
        if session is None:
            return
        with session:
            expected = {} if changes_numbers else values
            names = [port.name for port in session.get_outputs()]
            yield "random run", _tried(partial(_run_random, session))[0]
            ending, outputs = _tried(partial(session.run, None, feeds))
            yield "run", _compared(names, outputs, expected) if outputs and expected else ending
            wider = {name: np.repeat(array, 2, axis=0) for name, array in feeds.items()}
            yield "run at another shape", _tried(partial(session.run, None, wider))[0]
            ending, streamed = _tried(lambda: [*session.stream([feeds] * 3)])
            for each in streamed or ():
                if expected and ending == FINE:
                    ending = _compared(names, each, expected)
            yield "stream", ending

    return runs


def runs_of_decoder(prompt: Sequence[int], tokens: Sequence[int]) -> Runs:
    """Runs of a decoder's plan, which generates these `tokens` behind the prompt."""

    def runs(plan: Plan, changes_numbers: bool) -> Iterator[tuple[str, str]]:
        ending, generator = _tried(partial(Generator, plan))
        yield "decoder session", ending
        if generator is None:
            return
        ending, generated = _tried(partial(generator, prompt, max_new=len(tokens)))
        if generated is not None and not changes_numbers and [*generated.tokens] != [*tokens]:
            ending = f"wrong answer: {generated.tokens} instead of {tokens}"
        yield "generate", ending

    return runs


def _report(plan: Plan) -> Report:
    figures = DecodingFigures.of(plan.document)
    if figures is not None:
        [*figures.lines()]
        figures.document()
    return build_report(plan.first.planned, read_costs(plan.first.costs))


def _of_report(report: Report, console: Console) -> Iterator[tuple[str, Callable[[], object]]]:
    yield "summary", partial(terminal.print_summary, report, console)
    yield "stages", partial(terminal.print_stages, report, console)
    yield "transfers", partial(terminal.print_transfers, report, console)
    yield "contenders", partial(terminal.print_contenders, report, console)
    yield "nodes", partial(terminal.print_nodes, report, console)
    for node in report.nodes[:3]:
        yield "explanation", partial(terminal.print_explanation, report, node.name, console)
    yield "json", partial(to_json, report)
    yield "page", partial(to_html, report)
    yield "dot", partial(to_dot, report)


def _tried(step: Callable[[], Result]) -> tuple[str, Result | None]:
    try:
        return FINE, step()
    except StagecutError:
        return REFUSED, None
    except Exception as error:  # a fault of ours, whatever it is
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}:{last.lineno} {last.name}"
        return f"{type(error).__name__} at {place}: {str(error)[:150]}", None


def _exported(plan: Plan) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = annotated(plan.first.planned, plan.first.staged())
        write_model(model, Path(folder) / "x.onnx", "x.weights")


def _differs(one: Plan, other: Plan, console: Console) -> None:
    for before, after in ((one, other), (other, one)):
        difference = compare(before.first.planned, after.first.planned)
        difference_json({None: difference}, 0.05)
        print_difference(difference, console)
        difference.differs(0.05)


def _run_random(session: Session) -> None:
    inputs: Sequence[InputPort] = session.planned.inputs
    session.run_with_trace(None, random_feeds(inputs, 0))


def _compared(names: Sequence[str], outputs: Sequence[Tensor], values: Feeds) -> str:
    for name, found in zip(names, outputs, strict=True):
        expected = values.get(name)
        if expected is None:
            return f"an output that the model does not have: {name}"
        if found.shape != expected.shape or found.dtype != expected.dtype:
            return f"wrong answer: {found.dtype}{found.shape}"
        if not np.allclose(found, expected, rtol=0.02, atol=0.02 * np.abs(expected).max()):
            return f"wrong answer: {name} is off by {np.abs(found - expected).max():.3g}"
    return FINE
