"""`package.module:factory`: found as by `python -m`, called, and its mistakes pointed at."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from stagecut.compiler.frontends.factory import from_factory
from stagecut.compiler.ir.errors import ModelError, StagecutError, UsageError

MODULE = """\
import torch
from stagecut.compiler.ir.errors import ShapeError

def linear():
    torch.manual_seed(0)
    return torch.nn.Linear(3, 4), torch.ones(2, 3)

def program():
    module, x = linear()
    return torch.export.export(module, (x,)), None

def lazily():
    from factories import other
    return linear()

def lone():
    return linear()[0]

def three():
    return linear() * 2

def listed():
    return list(linear())

def breaks():
    return deeper()

def deeper():
    raise ValueError("no such luck")

def demands(size):
    return size

def knows():
    raise ShapeError("too long", where="x", fix="cut it")

def leaves():
    raise SystemExit(0)

NUMBER = 3
_private = linear
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with a package of factories in it that only this test can see."""
    package = tmp_path / "factories"
    package.mkdir()
    (package / "good.py").write_text(MODULE)
    (package / "other.py").write_text("")
    (package / "broken.py").write_text("x = 1\nx.missing\n")
    (package / "script.py").write_text("import sys\nsys.exit(0)\n")
    (package / "misspelt.py").write_text("def f(:\n")
    (package / "needy.py").write_text("import no_such_package\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] == "factories"]:
        del sys.modules[name]


@pytest.mark.parametrize("name", ["linear", "program", "lazily", "_private"])
def test_imports_what_the_factory_returns(name: str) -> None:
    imported = from_factory(f"factories.good:{name}")
    assert (imported.name, imported.source) == (name, f"factories.good:{name}")
    assert [value.name for value in imported.model.graph.inputs] == ["input"]
    np.testing.assert_array_equal(imported.feeds["input"], np.ones((2, 3), np.float32))


@pytest.mark.parametrize("name", ["linear", "breaks"])
def test_import_path_is_left_as_it_was(name: str) -> None:
    before = list(sys.path)
    try:
        from_factory(f"factories.good:{name}")
    except ModelError:
        assert name == "breaks"
    assert sys.path == before


REFUSED: dict[str, tuple[str, type[StagecutError], str, str]] = {
    "no function": ("factories.good", UsageError, "does not name", "package.module:function"),
    "no module": (":linear", UsageError, "does not name", "package.module:function"),
    "a path": ("factories/good.py:f", UsageError, "does not name", "package.module:function"),
    "an unknown package": ("factoriez.good:f", UsageError, "no module 'factoriez'", "folder"),
    "an unknown module": ("factories.god:f", UsageError, "no module 'factories.god'", "folder"),
    "a module in a module": ("factories.good.x:f", UsageError, "no module", "install it"),
    "an unknown function": ("factories.good:liner", UsageError, "no 'liner'", "'linear'?"),
    "a function like no other": ("factories.good:zzz", UsageError, "no 'zzz'", "name a function"),
    "a number": ("factories.good:NUMBER", UsageError, "is a int", "a function that returns"),
    "a module alone": ("factories.good:lone", ModelError, "returned a Linear", "return (module"),
    "too much": ("factories.good:three", ModelError, "a tuple of 4", "return (module"),
    "a list": ("factories.good:listed", ModelError, "returned a list", "return (module"),
    "an argument": ("factories.good:demands", ModelError, "TypeError: demands()", "shows where"),
}


@pytest.mark.parametrize(("spec", "kind", "problem", "fix"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(spec: str, kind: type[StagecutError], problem: str, fix: str) -> None:
    with pytest.raises(kind) as caught:
        from_factory(spec)
    assert problem in caught.value.problem
    assert caught.value.where == spec
    assert fix in caught.value.fix


DEEPER_LINE = 1 + MODULE.splitlines().index("    return deeper()")
LEAVES_LINE = 1 + MODULE.splitlines().index("    raise SystemExit(0)")
BROKEN = {
    "an exception in the factory": ("good:breaks", "no such luck", f"good.py:{DEEPER_LINE}"),
    "an exception on import": ("broken:f", "AttributeError: 'int'", "broken.py:2"),
    "an exit in the factory": ("good:leaves", "with SystemExit: 0", f"good.py:{LEAVES_LINE}"),
    "an exit on import": ("script:f", "with SystemExit: 0", "script.py:2"),
    "a package that is not installed": ("needy:f", "'no_such_package'", "needy.py:1"),
}


@pytest.mark.parametrize(("spec", "problem", "line"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_code_is_pointed_at(spec: str, problem: str, line: str, folder: Path) -> None:
    with pytest.raises(ModelError) as caught:
        from_factory(f"factories.{spec}")
    assert problem in caught.value.problem
    assert caught.value.where == f"factories.{spec}, {folder / 'factories' / line}"
    module, _, name = spec.partition(":")
    assert f"import factories.{module}; factories.{module}.{name}()" in caught.value.fix


def test_a_syntax_error_says_where() -> None:
    with pytest.raises(ModelError, match=r"SyntaxError: .*misspelt.py, line 1"):
        from_factory("factories.misspelt:f")


def test_the_factory_s_own_clear_errors_pass() -> None:
    with pytest.raises(StagecutError, match="x: too long"):
        from_factory("factories.good:knows")
