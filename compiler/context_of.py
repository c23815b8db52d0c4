"""The devices of a compile, made from what was asked for: the context of all its passes."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

from stagecut import backends
from stagecut.compiler.arrows import Once
from stagecut.compiler.context import CompileContext, Settings
from stagecut.compiler.formats.atomic import working_folder
from stagecut.compiler.formats.working_folder import WorkingFolder
from stagecut.compiler.ir.device import Backend, Listener
from stagecut.compiler.ir.errors import CrashedError
from stagecut.compiler.measure.cpus import usable_cpus
from stagecut.compiler.measure.crash_journal import REFERENCE, CrashJournal
from stagecut.compiler.measure.supervisor import SCRATCH_NOTE


def context_of(
    named: Sequence[str] | None,
    settings: Settings,
    *,
    lower_precision: str = "",
    streams: bool = False,
) -> CompileContext:
    """Of the devices that are named, or else of all real ones; without those that have taken the
    process down, or are broken, which is told. For streams, devices serve several callers at once,
    and real ones are there with 2, 4, 8, ... threads, too."""
    settings = replace(settings, warn=Once(settings.warn))
    journal = None
    if settings.notes is not None:
        journal = CrashJournal(settings.notes, settings.engine_timeout_s)
        named = [REFERENCE] if journal.only_reference else named
    listener = journal or backends.UNHEARD
    broken: tuple[str, ...] = ()
    chosen = not named
    if not named:
        named, broken = backends.survey(lower_precision=lower_precision, listener=listener)
        named = (*named, *_with_fewer_threads(named)) if streams else named
    specs = [*without_crashed(named, listener)]
    engines = backends.create_all(specs, listener)
    if chosen and lower_precision and all(e.device.keeps_precision for e in engines.values()):
        settings.warn(
            f"no device here computes in {lower_precision}: the plan is in full precision"
        )
    if streams:
        specs = [*map(_serving_all, engines.values(), specs)]
        engines = backends.create_all(specs, listener)
    return CompileContext(
        engines,
        dict(zip(engines, specs, strict=True)),
        settings,
        journal,
        () if journal is None else journal.crashes(),
        broken if journal is None else (*journal.told(), *broken),
    )


#: Devices that take as many threads as they are told, and what they are called with fewer.
_THREADED = {
    "cpu.parallel": "cpu",
    "openvino.f32": "openvino.f32",
    "openvino.bf16": "openvino.bf16",
    "openvino.int8": "openvino.int8",
    "openvino.int8-static": "openvino.int8-static",
    "openvino.int4": "openvino.int4",
}


def _with_fewer_threads(named: Sequence[str]) -> Iterator[str]:
    """`cpu.t4=cpu.parallel:threads=4`, for each power of two below the number of CPUs: where stages
    have 2, 4 or 8 threads, so many of them as there is time for fit into groups of cores."""
    threads = 2
    while threads < usable_cpus():
        for name in named:
            if name in _THREADED:
                yield f"{_THREADED[name]}.t{threads}={name}:threads={threads}"
        threads *= 2


def _serving_all(engine: Backend, spec: str) -> str:
    """The spec of `engine` with which it serves as many callers as there are cores for."""
    configuration = backends.serving(engine, usable_cpus() // engine.device.cores)
    return backends.configured(spec, configuration) if configuration else spec


def without_crashed(specs: Sequence[str], listener: Listener) -> Iterator[str]:
    """In their canonical form, those that do not take the process down when they are made; raises
    CrashedError where none is left."""
    crashed: CrashedError | None = None
    left = 0
    for spec in specs:
        try:
            yield backends.canonical_spec(spec, listener)
            left += 1
        except CrashedError as error:
            crashed = error
    if crashed is not None and not left:
        raise crashed


def scratch_folder(settings: Settings) -> WorkingFolder:
    """A folder to work in, of which whoever watches this process is told."""
    folder = working_folder(settings.scratch)
    if settings.notes is not None:
        (settings.notes / SCRATCH_NOTE).write_bytes(os.fsencode(folder.path))
    return folder
