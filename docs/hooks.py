"""Pages of the site that are made from the code: the command line and the errors."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from stagecut.compiler.cli.app import app
from stagecut.compiler.ir import errors

ROOT = Path(__file__).parents[1]
FOLDERS = ("compiler", "passes", "backends", "runtime", "models")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Called by MkDocs once the written pages are known."""
    for name, lines in {"cli.md": command_line(), "errors.md": error_classes()}.items():
        files.append(File.generated(config, name, content="\n".join(lines) + "\n"))
    return files


def command_line() -> Iterator[str]:
    """Every command with its help, its arguments and its options."""
    group: Any = typer.main.get_command(app)
    yield "# The command line\n"
    yield (
        "Exit codes: 0 done, 1 the input is bad or the plan cannot be made (for `diff`: the plans "
        "differ), 2 wrong usage, 130 interrupted, 141 nobody reads standard output any more. "
        "Results go to standard output, progress and errors to standard error; `--json` gives "
        "results that programs can read.\n"
    )
    yield (
        "Files are written whole or not at all, in a hidden folder beside them until they are; "
        "what a killed command left there goes with the next start. A symbolic link stays and "
        "what it leads to is replaced; a device or a pipe is written into. A command never writes "
        "over a file that it reads. Where the terminal lacks characters they are spelt in ASCII, "
        "and no name in a file of others can make it do anything but show it.\n"
    )
    for name, command in group.commands.items():
        yield f"## stagecut {name}\n"
        yield from _help(command.help or "")
        yield "| | | default |\n|---|---|---|"
        yield from (_row(each) for each in command.params if each.name != "help")
        yield ""


def _help(text: str) -> Iterator[str]:
    """Prose as it is, examples as a block."""
    for paragraph in text.strip().split("\n\n"):
        lines = [line.strip() for line in paragraph.splitlines()]
        is_example = lines[0].startswith("stagecut ")
        yield "\n".join(("```text", *lines, "```\n") if is_example else (*lines, ""))


def _row(parameter: Any) -> str:
    """An argument by what it stands for, an option by its names."""
    kind = parameter.metavar or ""
    is_flag = getattr(parameter, "is_flag", False)
    names = parameter.opts if parameter.param_type_name == "option" else [kind]
    texts = [f"`{_escaped(name)}`" for name in names]
    if parameter.param_type_name == "option" and kind and not is_flag:
        texts.append(f"`{_escaped(kind)}`")
    default = parameter.default
    has_default = isinstance(default, str | int | float) and not is_flag
    shown = f"`{default}`" if has_default else ""
    return f"| {' '.join(texts)} | {_escaped(parameter.help or '')} | {shown} |"


def error_classes() -> Iterator[str]:
    """Every error of the family, and all that it says, with what to do about it."""
    raised = _raised()
    yield "# Errors\n"
    yield f"{errors.StagecutError.__doc__}\n"
    yield (
        "Each says what is wrong, where, and how to mend it; a command prints it and exits with 1, "
        "with 2 for `UsageError`. In Python all are `stagecut.compiler.ir.errors.StagecutError`, "
        "with `problem`, `where` and `fix`. What stands in braces is filled in.\n"
    )
    for error in errors.StagecutError.__subclasses__():
        yield f"## {error.__name__}\n\n{error.__doc__}\n"
        messages = dict.fromkeys(raised.get(error.__name__, ()))
        if messages:
            yield "| problem | fix |\n|---|---|"
            yield from (f"| {problem} | {fix} |" for problem, fix in messages)
            yield ""


def _raised() -> dict[str, list[tuple[str, str]]]:
    """Error -> the problem and fix of every place that raises it, read from the sources."""
    found: dict[str, list[tuple[str, str]]] = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                    fixes = [each.value for each in node.keywords if each.arg == "fix"]
                    texts = (_template(node.args[0]), _template(fixes[0]) if fixes else "")
                    found.setdefault(node.func.id, []).append(texts)
    return found


def _template(text: ast.expr) -> str:
    """A string as its reader sees it, `{name}` for what is filled in."""
    if isinstance(text, ast.Constant):
        return _escaped(str(text.value))
    if isinstance(text, ast.JoinedStr):
        return "".join(map(_template, text.values))
    if isinstance(text, ast.FormattedValue):
        return "{" + _last_name(text.value) + "}"
    return "{" + _last_name(text) + "}"


def _last_name(expression: ast.expr) -> str:
    names = [node for node in ast.walk(expression) if isinstance(node, ast.Name | ast.Attribute)]
    if not names:
        return "…"
    first = names[0]
    return first.attr if isinstance(first, ast.Attribute) else first.id


def _escaped(text: str) -> str:
    """For a cell of a table."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
