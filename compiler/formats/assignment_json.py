"""Read an assignment: `{"node": "device"}`, or the output of `stagecut partition --json`."""

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from stagecut.compiler.formats.json_keys import repeated_key
from stagecut.compiler.formats.text_file import read_text
from stagecut.compiler.ir.errors import AssignmentError
from stagecut.compiler.ir.solution import Assignment

_DEVICES = TypeAdapter(dict[str, str])
_ANYTHING = TypeAdapter(dict[str, object])


def read_assignment(path: Path) -> Assignment:
    """Raises AssignmentError when the file is not there or says something else."""
    try:
        text = read_text(path)
        document = _ANYTHING.validate_json(text)
        repeated = repeated_key(text)
        if repeated is not None:
            raise AssignmentError(
                f"says twice where {repeated!r} goes", where=str(path), fix="keep one of the two"
            )
        return Assignment(_DEVICES.validate_python(document.get("assignment", document)))
    except OSError as error:
        raise AssignmentError(
            f"cannot be read: {error.strerror}",
            where=str(path),
            fix="give the path of an assignment, such as `stagecut partition --output` writes",
        ) from None
    except ValidationError:
        raise AssignmentError(
            "is not an assignment",
            where=str(path),
            fix='write {"node": "device", ...}, naming every node of the cost table',
        ) from None
