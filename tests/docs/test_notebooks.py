"""The notebooks of the documentation run from the first cell to the last, and show what they show.

A cell shows what it prints, and the value of its last expression: as a notebook does, and without
one. With `--outputs` that is kept.
"""

import ast
import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from tests.support.pages import DOCS

NOTEBOOKS = sorted(DOCS.rglob("*.ipynb"))


def _run(source: str, names: dict[str, object]) -> tuple[str, object]:
    """What a cell prints, and the value of its last expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    value: object = None
    with redirect_stdout(printed):
        exec(compile(tree, "cell", "exec"), names)  # noqa: S102  # our own page
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)  # noqa: S307
    return printed.getvalue(), value


def _shown(printed: str, value: object, count: int) -> list[dict[str, object]]:
    """As notebooks keep it (nbformat 4.5)."""
    outputs: list[dict[str, object]] = []
    if printed:
        outputs.append({"name": "stdout", "output_type": "stream", "text": printed})
    if value is not None:
        html = getattr(value, "_repr_html_", None)
        plain = {"text/plain": f"<{type(value).__name__}>" if html else repr(value)}
        data = {"text/html": html(), **plain} if html else plain
        outputs.append(
            {
                "data": data,
                "execution_count": count,
                "metadata": {},
                "output_type": "execute_result",
            }
        )
    return outputs


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs_and_shows_what_is_kept(path: Path, request: pytest.FixtureRequest) -> None:
    notebook: dict[str, Any] = json.loads(path.read_text("utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    names: dict[str, object] = {"__name__": path.stem}
    kept = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    shown = [
        {
            **cell,
            "execution_count": count,
            "outputs": _shown(*_run(cell["source"], names), count),
        }
        for count, cell in enumerate(kept, start=1)
    ]
    if request.config.getoption("--outputs") is not None:
        done = iter(shown)
        notebook["cells"] = [
            next(done) if cell["cell_type"] == "code" else cell for cell in notebook["cells"]
        ]
        path.write_text(f"{json.dumps(notebook, indent=1, ensure_ascii=False)}\n", "utf-8")
    else:
        assert kept == shown


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


def test_what_a_cell_shows() -> None:
    assert _run("x = 2\nprint(x)\nx + 1", {}) == ("2\n", 3)
    assert _shown("", None, 1) == []
    [stream, result] = _shown("2\n", 3, 4)
    assert stream["text"] == "2\n"
    assert (result["data"], result["execution_count"]) == ({"text/plain": "3"}, 4)
