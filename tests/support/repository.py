"""Where this repository lies, and what may lie beside it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

#: Published figures, which are not part of the repository.
SHARED = ROOT.parent / "shared" / "reference"
