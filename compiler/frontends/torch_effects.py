"""What a torch program does beside returning values, and the same program as a pure function.

Before:                            After (`Stateless`):
  def forward(self, x):              def forward(self, x):
      self.n.add_(1)                     n = self.n.clone()
      return x + self.n                  n.add_(1)
                                         return x + n, n
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import compress
from typing import Any, Literal

import torch
from torch._decomp import get_decompositions
from torch.export import Dim, ExportedProgram
from torch.export.graph_signature import ConstantArgument, InputKind, OutputKind
from torch.utils import _pytree as pytree

from stagecut.compiler.frontends.imported import Change
from stagecut.compiler.ir.errors import ModelError

_ATEN = torch.ops.aten

#: torch translates these to ONNX as if they used the running statistics and changed nothing; what
#: they consist of, it translates as it should.
_OF_BATCHES = (_ATEN._native_batch_norm_legit_functional, _ATEN._native_batch_norm_legit)


_KINDS: Mapping[OutputKind, Literal["input", "buffer"]] = {
    OutputKind.USER_INPUT_MUTATION: "input",
    OutputKind.BUFFER_MUTATION: "buffer",
    OutputKind.PARAMETER_MUTATION: "buffer",
}


class Stateless(torch.nn.Module):
    """`program` as a function of its inputs: returns its outputs, then what it has changed.

    A call changes neither what it is given nor what the program holds.
    """

    def __init__(self, program: ExportedProgram, changes: Sequence[Change]) -> None:
        super().__init__()
        self._module = program.module(check_guards=False)
        self._spec = program.call_spec.in_spec
        self._arguments = [
            spec.arg
            for spec in program.graph_signature.input_specs
            if spec.kind is InputKind.USER_INPUT
        ]
        self._returned = [
            not isinstance(spec.arg, ConstantArgument)
            for spec in program.graph_signature.output_specs
            if spec.kind is OutputKind.USER_OUTPUT
        ]
        self._changes = tuple(changes)

    def forward(self, *given: Any) -> tuple[Any, ...]:
        free = [each.name for each in self._arguments if not isinstance(each, ConstantArgument)]
        inputs = dict(zip(free, given, strict=True))
        held = {**dict(self._module.named_parameters()), **dict(self._module.named_buffers())}
        state: dict[str, torch.Tensor] = {}
        for change in self._changes:
            owner, copies = (inputs, inputs) if change.kind == "input" else (held, state)
            copies[change.name] = owner[change.name].clone()
        leaves = [
            each.value if isinstance(each, ConstantArgument) else inputs[each.name]
            for each in self._arguments
        ]
        args, kwargs = pytree.tree_unflatten(leaves, self._spec)
        returned = torch.func.functional_call(self._module, state, args, kwargs)
        kept = compress(pytree.tree_leaves(returned), self._returned)
        changed = ((inputs if each.kind == "input" else state)[each.name] for each in self._changes)
        return (*kept, *changed)


def changes_of(
    functional: ExportedProgram, taken: Sequence[str], source: str
) -> tuple[Change, ...]:
    """What a program changes in place, by the form of it that torch has made functional.

    `taken` are names that no output can have. Raises ModelError for effects of other kinds.
    """
    changes: list[Change] = []
    names = set(taken)
    for spec in functional.graph_signature.output_specs:
        if spec.kind is OutputKind.USER_OUTPUT:
            continue
        if spec.kind not in _KINDS:
            raise ModelError(
                f"it does something beside returning tensors ({spec.kind.name})",
                where=source,
                fix="leave that out of what is exported",
            )
        name, output = str(spec.target), f"{spec.target}_after"
        while output in names:
            output += "_"
        names.add(output)
        changes.append(Change(_KINDS[spec.kind], name, output))
    return tuple(changes)


def refuse_written_constants(program: ExportedProgram, source: str) -> None:
    """Raise ModelError where `program` writes into tensors that torch.export has taken for
    constants, as it does with those that a module holds otherwise than as buffers, too."""
    constants = program.graph_signature.inputs_to_lifted_tensor_constants
    written = dict.fromkeys(
        constants[root.name]
        for node in program.graph.nodes
        if node.op == "call_function" and _writes(node.target)
        for root in [_root(node)]
        if root.name in constants
    )
    if written:
        raise ModelError(
            f"it writes into {', '.join(written)}, which torch takes for constants",
            where=source,
            fix="export it by torch.export.export(..., strict=True) under torch.no_grad(), which "
            "takes them for buffers, and give the program",
        )


def _writes(target: object) -> bool:
    """Whether it changes numbers of its first operand."""
    schema = getattr(target, "_schema", None)
    return schema is not None and schema.is_mutable and target is not _ATEN.detach_.default


def _root(node: torch.fx.Node) -> torch.fx.Node:
    """What its first operand is, or is a view of."""
    root = node
    while root.args and isinstance(root.args[0], torch.fx.Node) and (root is node or _views(root)):
        root = root.args[0]
    return root


def _views(node: torch.fx.Node) -> bool:
    """Whether its result lies in its first operand."""
    schema = getattr(node.target, "_schema", None)
    return schema is not None and any(each.alias_info is not None for each in schema.returns)


def is_translated_wrongly(functional: ExportedProgram) -> bool:
    """Whether it holds operators that torch translates to ONNX only in parts."""
    return any(
        getattr(node.target, "overloadpacket", None) in _OF_BATCHES
        for node in functional.graph.nodes
    )


def stateless(
    program: ExportedProgram, changes: Sequence[Change], inputs: Sequence[object]
) -> ExportedProgram:
    """`program` exported as a pure function of `inputs`; what is dynamic stays so."""
    pure = torch.export.export(
        Stateless(program, changes),
        tuple(inputs),
        dynamic_shapes={"given": tuple(_dynamic(program))},
    )
    parts: ExportedProgram = pure.run_decompositions(get_decompositions(_OF_BATCHES))
    return parts


def _dynamic(program: ExportedProgram) -> Iterator[object]:
    """For each input, which of its dimensions are dynamic, or whether a number is."""
    placeholders = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    for spec in program.graph_signature.input_specs:
        if spec.kind is not InputKind.USER_INPUT or isinstance(spec.arg, ConstantArgument):
            continue
        example = placeholders[spec.arg.name].meta["val"]
        if isinstance(example, torch.Tensor):
            sizes: Iterable[tuple[int, object]] = enumerate(example.shape)
            yield {axis: Dim.AUTO for axis, size in sizes if not isinstance(size, int)}
        else:
            yield Dim.AUTO


def refuse_complex(program: ExportedProgram, source: str) -> bool:
    """Raise ModelError for complex inputs and outputs; whether numbers on the way are complex."""
    values = set(_complex(program))
    for name in program.graph_signature.user_inputs:
        if name in values:
            raise ModelError(
                "it takes complex numbers, and a plan has real ones only",
                where=f"{source}, input {name}",
                fix="take real and imaginary parts as one real tensor, and begin with "
                "torch.view_as_complex",
            )
    for name in program.graph_signature.user_outputs:
        if name in values:
            raise ModelError(
                "it returns complex numbers, and a plan has real ones only",
                where=f"{source}, output {name}",
                fix="return torch.view_as_real of them",
            )
    return bool(values)


def _complex(program: ExportedProgram) -> Iterator[object]:
    for node in program.graph.nodes:
        held = pytree.tree_leaves(node.meta.get("val"))
        if any(isinstance(each, torch.Tensor) and each.is_complex() for each in held):
            yield node.name
