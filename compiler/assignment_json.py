"""Read somebody's assignment: `{"node": "device"}`, or what `stagecut partition --json` prints."""

from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from stagecut.compiler.assignment import Assignment
from stagecut.compiler.errors import AssignmentError

_DEVICES = TypeAdapter(dict[str, str])
_ANYTHING = TypeAdapter(dict[str, object])


def read_assignment(path: Path) -> Assignment:
    """Raises AssignmentError when the file is not there or says something else."""
    try:
        document = _ANYTHING.validate_json(path.read_bytes())
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
