"""Golden files: what a text looked like when somebody last read it and found it good."""

from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent.parent / "golden"


def assert_golden(name: str, text: str, tmp_path: Path) -> None:
    """Fail when `text` differs from tests/golden/`name`; blanks at line ends do not count."""
    found = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
    golden = GOLDEN / name
    if not golden.exists() or golden.read_text("utf-8") != found:
        new = tmp_path / name
        new.write_text(found, "utf-8")
        pytest.fail(f"{golden.name} differs; look at it, and if it is meant: cp {new} {golden}")
