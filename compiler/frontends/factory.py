"""`package.module:factory`: a function of the user's that returns a module and example inputs."""

import importlib
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.ir.errors import ModelError, StagecutError, UsageError, named
from stagecut.compiler.ir.stop import asks_to_stop
from stagecut.compiler.ir.text import suggestion

_OURS = (__file__, importlib.__file__)


def from_factory(spec: str) -> Imported:
    """Import the module, call the factory, and import the model that it returns.

    Modules are found as by `python -m`: in the current folder first. Raises UsageError where there
    is no such function, and ModelError where it, or the import of its module, fails.
    """
    with _current_folder_importable():
        module, example_inputs = _call(spec)
        from stagecut.compiler.frontends.torch_export import from_live

        return replace(from_live(module, example_inputs, source=spec), name=spec.partition(":")[2])


def call_factory(spec: str) -> tuple[object, object]:
    """What the factory returns: a module, and example inputs; raises as `from_factory` does."""
    with _current_folder_importable():
        return _call(spec)


@contextmanager
def _current_folder_importable() -> Iterator[None]:
    before = list(sys.path)
    sys.path.insert(0, str(Path.cwd()))
    try:
        yield
    finally:
        sys.path[:] = before


def user_function(spec: str) -> Callable[..., object]:
    """The function that `package.module:function` names; raises as `from_factory` does."""
    with _current_folder_importable():
        return _function(spec, "name a function")


def _function(spec: str, fix: str) -> Callable[..., object]:
    module_name, _, name = spec.partition(":")
    if not (name.isidentifier() and all(part.isidentifier() for part in module_name.split("."))):
        raise UsageError(
            "does not name a function", where=spec, fix="write package.module:function"
        )
    found = _find(_import(module_name, spec), name, spec)
    if not callable(found):
        raise UsageError(
            f"is a {type(found).__name__}, which cannot be called", where=spec, fix=fix
        )
    return found


def _call(spec: str) -> tuple[object, object]:
    factory = _function(spec, "name a function that returns (module, example_inputs)")
    try:
        returned: object = factory()
    except StagecutError:
        raise
    except BaseException as error:  # it may ask the process to end, of which there is no plan
        if asks_to_stop(error):
            raise
        raise _failed("the factory", error, spec) from error
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise ModelError(
            f"the factory returned {_describe(returned)}",
            where=spec,
            fix="return (module, example_inputs)",
        )
    return returned


def _import(module_name: str, spec: str) -> object:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise _failed("importing the module", error, spec) from error
        raise UsageError(
            f"there is no module {error.name!r}",
            where=spec,
            fix=f"run from the folder that holds it, which {Path.cwd()} does not, or install it",
        ) from error
    except BaseException as error:
        if asks_to_stop(error):
            raise
        raise _failed("importing the module", error, spec) from error


def _find(module: object, name: str, spec: str) -> object:
    if hasattr(module, name):
        return getattr(module, name)
    public = [known for known in vars(module) if not known.startswith("_")]
    raise UsageError(
        f"the module has no {name!r}",
        where=spec,
        fix=suggestion(name, public, "name a function that the module defines"),
    )


def _failed(what: str, error: BaseException, spec: str) -> ModelError:
    """Points at the first line of the user's own code: behind ours and the import system's."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [
        f"{frame.filename}:{frame.lineno}"
        for frame in frames
        if frame.filename not in _OURS and not frame.filename.startswith("<")
    ]
    module_name, _, name = spec.partition(":")
    return ModelError(
        f"{what} failed with {named(error)}",
        where=", ".join([spec, *theirs[:1]]),
        fix=f"python -c 'import {module_name}; {module_name}.{name}()' shows where",
    )


def _describe(returned: object) -> str:
    if isinstance(returned, tuple):
        return f"a tuple of {len(returned)}"
    return f"a {type(returned).__name__}"
