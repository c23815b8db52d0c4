"""The zoo: real architectures built from their configurations, with sample inputs.

Importing this package, and listing what it has, loads no engine; `build` does.
"""

from typing import TYPE_CHECKING

from stagecut.compiler.ir.errors import ModelError
from stagecut.models.catalogue import find as find
from stagecut.models.catalogue import names as names

if TYPE_CHECKING:
    from stagecut.models.architectures import ZooModel as ZooModel


def build(name: str, /, **parameters: int) -> "ZooModel":
    """Build the model called `name`, e.g. `build("bert-base", seq=64)`.

    Raises UsageError for an unknown name or parameter, ModelError where a package is missing, or
    where there is no memory for it.
    """
    entry = find(name)
    settings = entry.settings(parameters)
    try:
        from stagecut.models.architectures import assemble
    except ModuleNotFoundError as error:
        raise ModelError(
            f"is built with {error.name}, which is not installed",
            where=f"zoo:{name}",
            fix="pip install 'stagecut[torch]'",
        ) from error
    try:
        return assemble(entry, settings)
    except (RuntimeError, MemoryError, OverflowError) as error:  # what torch makes of no memory
        raise ModelError(
            f"cannot be built with these numbers: {error}",
            where=f"zoo:{name}",
            fix="give smaller numbers, or use a machine with more memory",
        ) from error
