"""`machine.json`: several hosts as they were measured, schema `stagecut.machine/1`.

Written by `stagecut hosts`, and by hand where a memory is to be limited; read by `stagecut compile
--machine`, which then needs no cluster.
"""

from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from stagecut.compiler.formats.json_keys import repeated_key
from stagecut.compiler.formats.text_file import read_text, without_mark
from stagecut.compiler.ir.errors import DeviceError
from stagecut.compiler.ir.measured_machine import MeasuredHost, MeasuredLink, MeasuredMachine

SCHEMA = "stagecut.machine/1"

#: Keys that nobody knows are refused.
_STRICT = ConfigDict(extra="forbid")
_HOSTS = TypeAdapter(tuple[MeasuredHost, ...], config=_STRICT)
_LINKS = TypeAdapter(tuple[MeasuredLink, ...], config=_STRICT)
_DOCUMENT = TypeAdapter(dict[str, Any])
_FIX = "measure the hosts again with `stagecut hosts`, or compare with docs/hosts.md"


def write_machine(machine: MeasuredMachine) -> str:
    """As indented JSON."""
    parts = {
        "hosts": _HOSTS.dump_python(machine.hosts, mode="json"),
        "links": _LINKS.dump_python(machine.links, mode="json"),
    }
    return _DOCUMENT.dump_json({"schema": SCHEMA, **parts}, indent=1).decode() + "\n"


def read_machine(source: Path | str) -> MeasuredMachine:
    """The machine in a file (a Path) or in a text (a str); raises DeviceError, with the path of the
    first entry that is wrong."""
    try:
        data = read_text(source) if isinstance(source, Path) else without_mark(source.encode())
    except (OSError, UnicodeError) as error:
        problem = getattr(error, "strerror", None) or "is no text"
        raise DeviceError(problem, where=str(source), fix="check the path") from error
    part = "machine"
    try:
        document = _DOCUMENT.validate_json(data)
        schema = document.pop("schema", None)
        if schema != SCHEMA:
            raise DeviceError(
                f"{schema!r} is no schema of machines; this version of stagecut reads {SCHEMA!r}",
                where="schema",
                fix=_FIX,
            )
        if (twice := repeated_key(data)) is not None:
            raise DeviceError("stands there twice", where=twice, fix="keep one of the two")
        part = "hosts"
        hosts = _HOSTS.validate_python(document.pop(part, None))
        part = "links"
        links = _LINKS.validate_python(document.pop(part, None))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, (part, *first["loc"])))
        raise DeviceError(first["msg"], where=where, fix=_FIX) from None
    if document:
        raise DeviceError("unknown key", where=next(iter(document)), fix=_FIX)
    return MeasuredMachine(hosts, links)
