"""PyTorch to ONNX; nothing else of the compiler imports torch but what it uses, torch_*.py.

    nn.Module, fx.GraphModule --torch.export--> ExportedProgram --torch.onnx--> ONNX model
    .pt2 file -------------torch.export.load----^

Example inputs are one tensor, a tuple of arguments, or a dict of arguments by name. They may be
nested, and be numpy arrays; numbers and strings among them become part of the model.

What a program changes in place becomes outputs of the model (`Imported.changes`). The model is
compared with the program on the example inputs. The program is the one that torch.export has
followed, not the module's own Python code, so that no state of the module is touched.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import ClearMetadataAndDocStringPass, NameFixPass

from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.frontends.torch_asked import asked
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import ModelError
from stagecut.compiler.ir.graph import fits
from stagecut.compiler.ir.text import path_text

try:
    import torch
    from torch.export.graph_signature import ConstantArgument, InputKind, OutputKind
    from torch.utils import _pytree as pytree

    from stagecut.compiler.frontends.torch_check import array_of, check
    from stagecut.compiler.frontends.torch_effects import (
        Stateless,
        changes_of,
        is_translated_wrongly,
        refuse_complex,
        refuse_written_constants,
        stateless,
    )
except ModuleNotFoundError as error:
    raise ModelError(
        f"{error.name} is not installed",
        where="models of PyTorch",
        fix="pip install 'stagecut[torch]'",
    ) from error

#: The arguments of a call: by position, and by name.
Arguments: TypeAlias = tuple[tuple[Any, ...], Mapping[str, Any]]


def from_live(model: object, example_inputs: object = None, *, source: str) -> Imported:
    """Import a PyTorch model that the caller holds in memory; raises ModelError."""
    if isinstance(model, torch.export.ExportedProgram):
        return from_program(model, example_inputs, name="program", source=source)
    if isinstance(model, torch.nn.Module):
        return from_module(model, example_inputs, name=type(model).__name__, source=source)
    raise ModelError(
        f"a {type(model).__name__} is not a model",
        where=source,
        fix="give an nn.Module, a GraphModule, an ExportedProgram, or the path of a file",
    )


def from_file(path: Path, example_inputs: object = None) -> Imported:
    """Import a .pt2 file, with the example inputs it was exported with unless others are given."""
    program = read_file(path)
    return from_program(program, example_inputs, name=path_text(path.stem), source=path_text(path))


def read_file(path: Path) -> torch.export.ExportedProgram:
    """The program in a .pt2 file; raises ModelError for what is none.

    torch.export.load unpickles what it cannot load otherwise, so that a file may run code of its
    author's on loading: only load files that you trust.
    """
    with asked(
        f"is not a .pt2 file that torch {torch.__version__} can read",
        where=str(path),
        fix="write it with torch.export.save(torch.export.export(module, args), path)",
    ):
        return torch.export.load(path)


def from_module(
    module: torch.nn.Module,
    example_inputs: object,
    *,
    name: str,
    source: str,
    outputs: Sequence[str] = (),
) -> Imported:
    """Export `module` in eval mode; afterwards it is in the mode in which it was.

    `outputs` names the model's outputs, otherwise a returned dict's keys do, otherwise torch.
    """
    args, kwargs = bind(module.forward, example_inputs, source)
    with (
        _eval_mode(module),
        asked(
            "torch cannot export it",
            where=source,
            fix="it must run on its example inputs, and not branch on the values of tensors "
            "(use torch.where or torch.cond)",
        ),
    ):
        program = torch.export.export(module, args, dict(kwargs))
    return from_program(program, name=name, source=source, outputs=outputs)


def from_program(
    program: torch.export.ExportedProgram,
    example_inputs: object = None,
    *,
    name: str,
    source: str,
    outputs: Sequence[str] = (),
) -> Imported:
    """Translate `program`; its dynamic dimensions stay symbolic.

    Uses the example inputs that it was exported with unless others are given. What it changes in
    place becomes further outputs. Raises ModelError where the model that comes out does not
    compute what the program computes.
    """
    arguments = program.example_inputs
    if example_inputs is not None:
        arguments = bind(program.module().forward, example_inputs, source)
    if arguments is None:
        raise _no_inputs(source)
    inputs = _inputs(program, arguments, source)
    is_complex = refuse_complex(program, source)
    refuse_written_constants(program, source)
    names = outputs or _output_names(program, source)
    model, functional = _translate(program, source)
    changes = changes_of(functional, (*inputs, *names), source)
    if not (names or changes):
        raise ModelError("it returns no tensor", where=source, fix="return what it computes")
    if changes or is_translated_wrongly(functional):
        with asked(
            "torch cannot export what it changes in place",
            where=source,
            fix="change no inputs and no buffers: return their new values instead",
        ):
            pure = stateless(program, changes, tuple(inputs.values()))
        model, _ = _translate(pure, source)
    _rename(model, tuple(inputs), (*names, *(change.output for change in changes)))
    feeds = {key: array_of(given) for key, given in inputs.items()}
    _check_fit(model, feeds, source)
    unchecked = check(model, Stateless(program, changes), inputs, source, further=is_complex)
    return Imported(name, model, feeds, source, changes=changes, unchecked=unchecked)


def bind(forward: Callable[..., Any], example_inputs: object, source: str) -> Arguments:
    """Arguments for `forward`, in its own order, every tensor a copy, and a tensor where an array
    was given; raises ModelError where they do not fit."""
    if example_inputs is None:
        raise _no_inputs(source)
    signature = inspect.signature(forward)
    try:
        match example_inputs:
            case Mapping():
                bound = signature.bind(**example_inputs)
            case tuple() | list():
                bound = signature.bind(*example_inputs)
            case _:
                bound = signature.bind(example_inputs)
    except TypeError as error:
        raise ModelError(
            f"the example inputs do not fit its arguments: {error}",
            where=source,
            fix=f"it takes ({', '.join(signature.parameters)})",
        ) from error
    copied: Arguments = pytree.tree_map(_copy, (bound.args, bound.kwargs))
    return copied


def _copy(given: object) -> object:
    """torch takes a tensor that is passed twice, as the same object, for one input."""
    if isinstance(given, np.ndarray):
        return torch.tensor(given)
    return given.detach().clone() if isinstance(given, torch.Tensor) else given


def _no_inputs(source: str) -> ModelError:
    return ModelError(
        "torch needs example inputs to follow the model's code, and there are none",
        where=source,
        fix="pass example_inputs: a tensor, a tuple of arguments, or a dict of them by name",
    )


def _inputs(
    program: torch.export.ExportedProgram, arguments: Arguments, source: str
) -> dict[str, object]:
    """The example of each input by its name; arguments that became constants are left out."""
    specs = program.graph_signature.input_specs
    expected = [spec.arg for spec in specs if spec.kind is InputKind.USER_INPUT]
    given = pytree.tree_leaves(arguments)
    if len(given) != len(expected):
        raise ModelError(
            f"the example inputs hold {len(given)} values, and it takes {len(expected)}",
            where=source,
            fix="nest them as those that it was exported with",
        )
    return {
        argument.name: value
        for argument, value in zip(expected, given, strict=True)
        if not isinstance(argument, ConstantArgument)
    }


def _output_names(program: torch.export.ExportedProgram, source: str) -> tuple[str, ...]:
    """The keys where the model returns a dict of tensors; otherwise torch's own names for them."""
    specs = program.graph_signature.output_specs
    returned = [spec.arg for spec in specs if spec.kind is OutputKind.USER_OUTPUT]
    for index, argument in enumerate(returned):
        if isinstance(argument, ConstantArgument) and argument.value is not None:
            raise ModelError(
                f"it returns {argument.value!r}, which is no tensor",
                where=f"{source}, output{_place(program, index)}",
                fix="return tensors only: leave it out, or make one of it (torch.tensor)",
            )
    tensors = [arg.name for arg in returned if not isinstance(arg, ConstantArgument)]
    tree = program.call_spec.out_spec
    flat = tree.num_nodes == 1 + len(tensors)
    if flat and isinstance(tree.context, list) and len(tree.context) == len(tensors):
        return tuple(str(key) for key in tree.context)
    return tuple(tensors)


def _place(program: torch.export.ExportedProgram, index: int) -> str:
    """Where the output with this number stands in what is returned: `[0]['loss']`."""
    tree = program.call_spec.out_spec
    paths, _ = pytree.tree_flatten_with_path(pytree.tree_unflatten(range(tree.num_leaves), tree))
    return pytree.keystr(paths[index][0])


def _translate(
    program: torch.export.ExportedProgram, source: str
) -> tuple[ir.Model, torch.export.ExportedProgram]:
    """The ONNX model, and the functional form of `program` that it was made from."""
    with asked(
        "torch cannot translate it to ONNX",
        where=source,
        fix="use operators that ONNX has, or export the model to an .onnx file yourself",
    ):
        made = cast(
            "torch.onnx.ONNXProgram", torch.onnx.export(program, dynamo=True, verbose=False)
        )
    return made.model, cast("torch.export.ExportedProgram", made.exported_program)


def _rename(model: ir.Model, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Name inputs and outputs, and drop the paths of source files that torch notes at each node."""
    for value, name in zip(model.graph.inputs, inputs, strict=True):
        value.name = name
    for value, name in zip(model.graph.outputs, outputs, strict=True):
        value.name = name
    NameFixPass()(model)  # inner values give way to inputs and outputs of the same name
    ClearMetadataAndDocStringPass()(model)


def _check_fit(model: ir.Model, feeds: Feeds, source: str) -> None:
    for value, array in zip(model.graph.inputs, feeds.values(), strict=True):
        dtype, shape = ir.DataType.from_numpy(array.dtype), ir.Shape(array.shape)
        if value.dtype != dtype or not fits(tuple(value.shape or ()), array.shape):
            raise ModelError(
                f"takes {value.type}{value.shape}, and the example is {dtype}{shape}",
                where=f"{source}, input {value.name}",
                fix="give an example that fits, or export with dynamic_shapes",
            )


@contextmanager
def _eval_mode(module: torch.nn.Module) -> Iterator[None]:
    """Sets flags rather than call `eval`, which modules out of torch.export refuse."""
    modes = [(part, part.training) for part in module.modules()]
    for part, _ in modes:
        part.training = False
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
