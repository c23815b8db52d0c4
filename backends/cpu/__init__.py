"""ONNX Runtime on the CPU: `cpu.serial` and `cpu.parallel`, and both in lower precision."""

from collections.abc import Iterator, Mapping

from stagecut.backends.cpu.device import CpuBackend
from stagecut.backends.options import Options
from stagecut.backends.quantised.scheme import Scheme
from stagecut.backends.quantised.sums import sums_are_narrow, with_weights
from stagecut.backends.threads import MOST_THREADS, has_every_cpu, on_threads, usable_cores
from stagecut.compiler.ir.machine import HOST, Memory


def create(name: str, options: Mapping[str, str]) -> CpuBackend:
    """`cpu.serial` runs on one thread, `cpu.parallel` on all usable CPUs or on `threads=N`.

    `watts_per_thread=X` is what each thread is taken to draw while it runs. Threads of
    `cpu.parallel` that wait for each other sleep, or spin with `waiting=spin`, which ends with each
    run; `pinning=on` keeps each on a CPU of its own. All callers of a stage share a session; with
    `sessions=N` so many at once have one each, and what ONNX Runtime makes of the weights. With
    `helpers=N` `cpu.serial` has so many threads beside those of its callers, who share them.

    `cpu.int8.serial`, `cpu.int4.parallel` and so on hold the weights of products in so many bits,
    in blocks of `block=N`, and quantise what these are multiplied with in blocks, too, or with
    `activations=f32` not. `cpu.int8-dynamic.serial` quantises it as a whole in every run,
    `cpu.int8-static.serial` by what it was on samples, in convolutions, too; both with weights of
    `weights=7|8` bits.
    """
    precision, scheme = _precision(name), _scheme(name, options)
    serial = name.endswith(".serial")
    waits = ("helpers",) if serial else ("waiting", "pinning")
    held_as = () if scheme is None else scheme.options
    kept = "f32" if scheme is None else scheme.named(precision)
    held = "" if scheme is None else f" in {scheme.described(precision)}"
    device = on_threads(
        name, options, f"ONNX Runtime on the CPU{held}", kept, also=("sessions", *waits, *held_as)
    )
    read = Options(name, options)
    spins = read.choice("waiting", ("sleep", "spin"), default="sleep") == "spin"
    pins = read.choice("pinning", ("off", "on"), default="off") == "on"
    alone = tuple(_alone(device.cores, options))
    return CpuBackend(
        device,
        Memory(HOST),
        spins=spins,
        pins=pins,
        alone=alone,
        sessions=read.integer("sessions", default=1, at_least=1, at_most=MOST_THREADS),
        helpers=read.integer("helpers", default=0, at_least=0, at_most=MOST_THREADS),
        parts=not {"sessions", "helpers"} & {*options} and not (spins or pins),
        scheme=scheme,
    )


def canonical_spec(name: str, options: Mapping[str, str]) -> Mapping[str, str]:
    """With what weights are on this machine, where options leave it open."""
    return with_weights(_scheme(name, options), options)


def _scheme(name: str, options: Mapping[str, str]) -> Scheme | None:
    """Weights have 7 bits where sums of two products are narrow."""
    precision = _precision(name)
    return Scheme.of(precision, name, options, narrow=sums_are_narrow()) if precision else None


def _precision(name: str) -> str:
    return name.removeprefix("cpu.").rpartition(".")[0]


def _alone(threads: int, options: Mapping[str, str]) -> Iterator[str]:
    if threads == 1 or "waiting" in options or "pinning" in options:
        return
    if has_every_cpu(threads):
        yield "pinning=on"
        yield "waiting=spin,pinning=on"
    else:
        yield "waiting=spin"
    if "threads" not in options and 1 < usable_cores() < threads:
        yield f"threads={usable_cores()},waiting=spin"
