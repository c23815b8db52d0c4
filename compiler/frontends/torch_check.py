"""Compare the ONNX form of a torch program with the program itself.

Both run once on the same inputs: the program in torch, as a pure function, and the ONNX form in
ONNX Runtime, unoptimised, on one thread.
"""

from collections.abc import Mapping, Sequence
from typing import TypeGuard

import ml_dtypes
import numpy as np
import onnx_ir as ir
import torch
from onnx_ir.tensor_adapters import TorchTensor

from stagecut.compiler.frontends.normal_form.ort_inference import run
from stagecut.compiler.frontends.torch_asked import asked
from stagecut.compiler.frontends.torch_effects import Stateless
from stagecut.compiler.ir.apart import apart
from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.errors import ModelError
from stagecut.compiler.ir.stop import asks_to_stop

#: The most by which an output may be off, as a part of its largest number.
LIMIT = 1e-3

#: Or by so many units in the last place of the coarsest type that the model computes in, as a part
#: of its largest number, or of 1: rounding alone takes two engines so far apart.
_UNITS = 8


def check(
    model: ir.Model,
    program: Stateless,
    inputs: Mapping[str, object],
    source: str,
    *,
    further: bool = False,
) -> str:
    """Raise ModelError where `model` does not return what `program` does, or that is random.

    Numbers may be off by LIMIT; whole numbers and truth values are the same. Where the inputs tell
    little, as all zeros do, or `further` ones are asked for, both run on random ones, too. Returns
    why there is nothing to compare where ONNX Runtime, which lacks some operators for some types,
    cannot run the model.
    """
    with asked("torch cannot run it on its example inputs", where=source, fix="give others"):
        wanted = _answers(program, inputs, source)
    try:
        found = _found(model, inputs)
    except ModelError as error:
        return error.problem
    _compare(model, found, wanted, source)
    floats = [each for each in inputs.values() if _is_float(each)]
    if floats and (further or not any(map(_varies, floats))):
        others = _random(inputs)
        try:
            found, wanted = _found(model, others), _answers(program, others, source)
        except BaseException as error:  # of any kind: it need not run on numbers without a meaning
            if asks_to_stop(error):
                raise
            return ""
        _compare(model, found, wanted, source)
    return ""


def array_of(given: object) -> Tensor:
    """A copy of `given`: a tensor, or the whole number that a dynamic argument has here."""
    if isinstance(given, torch.Tensor):
        return np.array(TorchTensor(given).numpy())
    return np.asarray(given, np.int64)


def _found(model: ir.Model, inputs: Mapping[str, object]) -> list[Tensor]:
    return run(model, {name: array_of(given) for name, given in inputs.items()})


def _answers(program: Stateless, inputs: Mapping[str, object], source: str) -> list[Tensor]:
    """What the program returns and changes.

    All is as before, torch's random numbers, too, even where torch.export has missed a change.
    """
    given = {name: _copy(each) for name, each in inputs.items()}
    held = {name: buffer.clone() for name, buffer in program.named_buffers()}
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        before = torch.get_rng_state()
        outputs = torch.func.functional_call(program, held, tuple(given.values()))
        drew = not torch.equal(before, torch.get_rng_state())
    if drew:
        raise ModelError(
            "it draws random numbers, and a plan would draw others or none",
            where=source,
            fix="export it in eval mode, or draw them outside and hand them in as an input",
        )
    for name, was in (*inputs.items(), *program.named_buffers()):
        now = given.get(name, held.get(name))
        if array_of(now).tobytes() != array_of(was).tobytes():
            raise ModelError(
                "it is changed in place, and torch.export does not tell of it",
                where=f"{source}, {name.removeprefix('_module.')}",
                fix="export it in eval mode, or change nothing: return the new value instead",
            )
    return list(map(array_of, outputs))


def _copy(given: object) -> object:
    return given.clone() if isinstance(given, torch.Tensor) else given


def _is_float(given: object) -> TypeGuard[torch.Tensor]:
    return isinstance(given, torch.Tensor) and given.is_floating_point() and given.numel() > 0


def _varies(given: torch.Tensor) -> bool:
    """Whether it says anything: most wrong translations give zeros for zeros, too."""
    return bool((given != given.flatten()[:1]).any())


def _random(inputs: Mapping[str, object]) -> Mapping[str, object]:
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(each.shape, generator=generator).to(each.dtype)
        if _is_float(each)
        else each
        for name, each in inputs.items()
    }


def _compare(
    model: ir.Model, found: Sequence[Tensor], wanted: Sequence[Tensor], source: str
) -> None:
    rounding = _rounding(model)
    for value, one, other in zip(model.graph.outputs, found, wanted, strict=True):
        problem = _difference(one, other, rounding)
        if problem:
            raise ModelError(
                f"torch's translation to ONNX is wrong here: {problem}",
                where=f"{source}, output {value.name}",
                fix="compute it with other operators; where it hangs on a tie or on rounding, give "
                "other example inputs; an .onnx file is taken as it is",
            )


def _rounding(model: ir.Model) -> float:
    values = [*model.graph.inputs, *model.graph.initializers.values()]
    values += [output for graph in model.graphs() for node in graph for output in node.outputs]
    kinds = {value.dtype for value in values if value.dtype and value.dtype.is_floating_point()}
    return _UNITS * max(map(_epsilon, kinds), default=0.0)


def _epsilon(kind: ir.DataType) -> float:
    return float(ml_dtypes.finfo(kind.numpy()).eps)  # type: ignore[no-untyped-call]


def _difference(found: Tensor, wanted: Tensor, rounding: float) -> str:
    """What is wrong with `found`; empty where nothing is."""
    if (found.dtype, found.shape) != (wanted.dtype, wanted.shape):
        return f"it is {_type(found)}, and torch's is {_type(wanted)}"
    if wanted.dtype.kind in "iub":
        unequal = np.count_nonzero(found != wanted)
        return f"{unequal} of {wanted.size} numbers are not torch's" if unequal else ""
    off, largest = apart(found, wanted)
    allowed = max(LIMIT * largest, rounding * max(largest, 1.0))
    if off <= allowed:
        return ""
    if not np.isfinite(off):
        return "it is NaN or infinite where torch's is not, or the other way round"
    return (
        f"it is off by {off:.3g}, where torch's largest number is {largest:.3g}, which allows for "
        f"{allowed:.3g}"
    )


def _type(array: Tensor) -> str:
    return f"{array.dtype} of shape {array.shape}"
