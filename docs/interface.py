"""The page of the site about the interface from Python: signatures and docstrings, as they are."""

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from importlib import import_module

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

#: What it is for -> module -> names.
INTERFACE: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "Compile and profile": {
        "stagecut.compiler": ("compile_model", "Plan"),
        "stagecut.compiler.profiling": ("profile_model",),
    },
    "Run": {"stagecut.runtime": ("Session",)},
    "Cost tables": {
        "stagecut.compiler.ir.costs": (
            *("CostTable", "NodeCosts", "ValueCosts", "Endpoint", "Budget"),
        ),
        "stagecut.compiler.ir.machine": ("Machine", "Memory", "Device", "Link", "Route"),
        "stagecut.compiler.formats.costs_json": ("read_costs", "write_costs"),
        "stagecut.compiler.formats.placement_json": ("read_placement",),
    },
    "Sweep": {
        "stagecut.passes.sweep.scale": ("Scale",),
        "stagecut.passes.sweep.sweep": ("Sweep", "Curve"),
        "stagecut.passes.sweep.speed_map": ("speed_map", "SpeedMap"),
        "stagecut.passes.sweep.catalogue": ("Catalogue", "Choice"),
    },
    "Solve": {
        "stagecut.passes.partition.partition": ("Partition",),
        "stagecut.passes.partition.search": ("Standing",),
        "stagecut.passes.partition.explain": ("Explain",),
        "stagecut.passes.partition.check": ("Check",),
        "stagecut.passes.partition.throughput.throughput": ("Throughput",),
        "stagecut.compiler.ir.objective": ("Objective", "parse_objective"),
        "stagecut.compiler.ir.solution": (
            *("Solution", "Certificate", "Assignment", "Alternatives"),
        ),
        "stagecut.compiler.ir.schedule": ("Schedule",),
        "stagecut.compiler.ir.account": ("Account",),
    },
}


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Called by MkDocs once the written pages are known."""
    files.append(File.generated(config, "python.md", content="\n".join(interface()) + "\n"))
    return files


def interface() -> Iterator[str]:
    yield "# From Python\n"
    yield "What is not on this page may change without a word. Times are seconds, sizes bytes.\n"
    for purpose, modules in INTERFACE.items():
        yield f"## {purpose}\n"
        for module, names in modules.items():
            for name in names:
                yield from _described(module, name)


def _described(module: str, name: str) -> Iterator[str]:
    found = getattr(import_module(module), name)
    tree = ast.parse(textwrap.dedent(inspect.getsource(found))).body[0]
    yield f"### {name}\n"
    yield f"```python\nfrom {module} import {name}\n"
    if isinstance(tree, ast.FunctionDef):
        yield f"{_signature(tree)}\n```\n"
        yield f"{inspect.getdoc(found)}\n"
    elif isinstance(tree, ast.ClassDef):
        yield f"{_made_from(tree)}\n```\n"
        yield f"{inspect.getdoc(found)}\n"
        for method in _public(tree):
            yield f"```python\n{_signature(method, name)}\n```\n"
            yield f"{inspect.cleandoc(ast.get_docstring(method) or '')}\n"


def _public(tree: ast.ClassDef) -> Iterator[ast.FunctionDef]:
    """Methods and properties that say what they are for."""
    for each in tree.body:
        if not isinstance(each, ast.FunctionDef) or not ast.get_docstring(each):
            continue
        if each.name == "__call__" or not each.name.startswith("_"):
            yield each


def _made_from(tree: ast.ClassDef) -> str:
    """How an object is made: the fields of a dataclass, or the arguments of `__init__`."""
    for each in tree.body:
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            return _call(tree.name, _arguments(each.args), "")
    fields = [ast.unparse(each) for each in tree.body if isinstance(each, ast.AnnAssign)]
    return _call(tree.name, [each for each in fields if "ClassVar" not in each], "")


def _signature(tree: ast.FunctionDef, owner: str = "") -> str:
    """Of a function, or of a method of `owner`: `Plan.save(path: Path) -> None`."""
    name = tree.name if not owner else f"{owner}.{tree.name}"
    returns = ast.unparse(tree.returns).strip("'") if tree.returns else ""
    if any(ast.unparse(each) in {"property", "cached_property"} for each in tree.decorator_list):
        return f"{name}: {returns}"
    called = f"{owner}(...)" if tree.name == "__call__" else name
    return _call(called, _arguments(tree.args), f" -> {returns}" if returns else "")


def _call(name: str, arguments: list[str], returns: str) -> str:
    one_line = f"{name}({', '.join(arguments)}){returns}"
    if len(one_line) <= 88 or not arguments:
        return one_line
    return f"{name}(\n    " + ",\n    ".join(arguments) + f",\n){returns}"


def _arguments(arguments: ast.arguments) -> list[str]:
    """As they are written, without `self`."""
    whole = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(whole) - len(arguments.defaults)) + [*arguments.defaults]
    listed = [
        _argument(each, default)
        for each, default in zip(whole, defaults, strict=True)
        if each.arg not in {"self", "cls"}
    ]
    if arguments.vararg:
        listed.append(f"*{ast.unparse(arguments.vararg)}")
    elif arguments.kwonlyargs:
        listed.append("*")
    listed += [
        _argument(each, default)
        for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    return listed


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    written = ast.unparse(argument)
    if default is None:
        return written
    return f"{written}{' = ' if argument.annotation else '='}{ast.unparse(default)}"
