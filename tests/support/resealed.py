"""A plan with some of its members changed, and sealed again as if it had been written so."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stagecut.compiler.formats.archive import Archive, write_archive

DOCUMENT = "plan.json"


def members_of(archive: Archive) -> dict[str, bytes]:
    return {name: archive.read(name) for name in archive.names()}


def reseal(path: Path, members: Mapping[str, bytes]) -> None:
    """Write `members` to `path`; the digests in the document are theirs."""
    document = json.loads(members[DOCUMENT])
    others = {name: content for name, content in members.items() if name != DOCUMENT}
    document["members"] = {
        name: hashlib.sha256(content).hexdigest() for name, content in others.items()
    }
    write_archive(path, {**others, DOCUMENT: json.dumps(document).encode()})


def resealed(
    path: Path,
    archive: Archive,
    members: Mapping[str, bytes],
    change: Callable[[dict[str, Any]], object] = lambda document: None,
) -> Path:
    """The plan in `archive` with these members in place of its own, and a changed document."""
    content = {**members_of(archive), **members}
    document = json.loads(content[DOCUMENT])
    change(document)
    reseal(path, {**content, DOCUMENT: json.dumps(document).encode()})
    return path
