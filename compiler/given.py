"""What users give to say how right a plan has to be: samples, labels with a metric of their own,
and the model that theirs was made from.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from stagecut.compiler.entries import Entry
from stagecut.compiler.formats.samples_file import (
    Stored,
    labelled,
    read_samples,
    single_samples,
)
from stagecut.compiler.frontends.factory import user_function
from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.frontends.load import import_model
from stagecut.compiler.ir.border import conformed
from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.errors import FeedError, UsageError
from stagecut.compiler.ir.metric import Metric, MetricFunction
from stagecut.compiler.ir.plan import MAIN
from stagecut.compiler.ir.program import Program
from stagecut.passes.precision.samples import MOST_SAMPLES

_CALIBRATE, _DATA, _REFERENCE = "--calibrate", "--data", "--reference"


def calibrated(entries: Sequence[Entry], path: Path) -> tuple[Entry, ...]:
    """The entries with the samples that lie at `path`, each program with those of its shapes.

    Raises UsageError for a decoder, and FeedError for samples that do not go with the model.
    """
    entry, stored = _only(entries, _CALIBRATE), read_samples(path, _CALIBRATE)
    made, refused = [], None
    for program in entry.programs:
        try:
            samples = tuple(each for file in stored for each in _samples_of(program, file))
            made.append(replace(program, samples=samples))
        except FeedError as error:  # of another variant's shapes
            made.append(program)
            refused = error
    if refused is not None and not any(program.samples for program in made):
        raise refused
    return (replace(entry, programs=made),)


def measured_by(
    entries: Sequence[Entry], metric: str | MetricFunction, path: Path
) -> tuple[Entry, ...]:
    """The entries with a metric on the samples that lie at `path`. Where no others tell the errors
    of nodes, the first few of these do, and the metric is of the rest.

    Raises UsageError for a decoder, for several shapes, and where there is no such function, and
    FeedError for samples that do not go with the model.
    """
    entry = _only(entries, _DATA)
    if len(entry.programs) > 1:
        raise UsageError(
            "a metric is of samples of one shape", where=_DATA, fix="compile for one shape"
        )
    [program] = entry.programs
    called = _called(program)
    shapes = {name: program.feeds[own].shape for name, own in called.items()}
    data = labelled(read_samples(path, _DATA), shapes, _DATA)
    count = len(data[next(iter(shapes))])
    first = 0 if program.samples else min(MOST_SAMPLES, count // 2)
    samples = tuple(
        _conformed(program, {name: data[name][at] for name in shapes}) for at in range(count)
    )
    if isinstance(metric, str):
        name, function = metric, user_function(metric)
    else:
        name, function = getattr(metric, "__name__", type(metric).__name__), metric
    rest = {key: _read_only(array[first:]) for key, array in data.items()}
    made = Metric(name, function, rest, samples[first:])
    measured = replace(program, samples=program.samples or samples[:first], metric=made)
    return (replace(entry, programs=[measured]),)


def _read_only(array: Tensor) -> Tensor:
    """What a metric wrote into would be other samples when it is asked again."""
    view = array.view()
    view.flags.writeable = False
    return view


def original_of(reference: object, entries: Sequence[Entry]) -> Imported:
    """The model that the one of `entries` was made from; raises UsageError for a decoder."""
    _only(entries, _REFERENCE)
    imported, _ = import_model(reference)
    return imported


def _only(entries: Sequence[Entry], option: str) -> Entry:
    if [entry.name for entry in entries] == [MAIN]:
        return entries[0]
    raise UsageError(
        "it is not for a decoder, whose entries have inputs of their own",
        where=option,
        fix="leave it out",
    )


def _samples_of(program: Program, stored: Stored) -> Iterator[Feeds]:
    shapes = {name: program.feeds[own].shape for name, own in _called(program).items()}
    for sample in single_samples(stored, shapes, _CALIBRATE):
        yield _conformed(program, sample)


def _called(program: Program) -> Mapping[str, str]:
    """The program's names of its inputs, by the model's."""
    return {program.called.get(name, name): name for name in program.feeds}


def _conformed(program: Program, sample: Stored) -> Feeds:
    return {
        own: conformed(name, sample[name], _dtype(program.feeds[own]))
        for name, own in _called(program).items()
    }


def _dtype(array: Tensor) -> str:
    return "string" if array.dtype.kind in "OUT" else array.dtype.name
