"""torch's own parallelism: a module on all CPUs, compiled or not, and a process for each CPU."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks.throughput.pinned import processes
from benchmarks.throughput.rival import Rival, callers
from stagecut.compiler.measure.cpus import usable_cpus


def torch_native(
    build: Callable[[], tuple[Any, tuple[Any, ...]]], stack: ExitStack
) -> Iterator[Rival]:
    import torch

    module, inputs = build()

    def run(function: Callable[..., object]) -> Callable[[], object]:
        def once() -> object:
            with torch.inference_mode():
                return function(*inputs)

        return once

    yield Rival("torch eager", callers([run(module)]))
    compiled = run(torch.compile(module))
    try:
        compiled()
    except Exception as error:  # whatever its compiler lacks on this machine
        print(f"torch.compile is left out: {str(error).splitlines()[0]}")
    else:
        yield Rival("torch.compile", callers([compiled]))
    turn = processes(stack, partial(_torch_call, build), {})
    yield Rival(f"torch eager, {usable_cpus()} processes", turn, usable_cpus())


def _torch_call(build: Callable[[], tuple[Any, tuple[Any, ...]]]) -> Callable[[object], object]:
    import torch

    torch.set_num_threads(1)
    module, inputs = build()

    def call(_: object) -> object:
        with torch.inference_mode():
            return module(*inputs)

    return call
