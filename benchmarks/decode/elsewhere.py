"""Rivals in an environment of their own, each a child of this process (child.py)."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.decode.files import Files
from benchmarks.decode.here import Taken

NAMES = ("onnxruntime-genai", "llama.cpp", "OpenVINO GenAI")

#: A first prompt, for what engines do once.
_WARM_UP = (1, 2, 3)

_CHILD = Path(__file__).with_name("child.py")


class Elsewhere:
    """A rival that `python` runs; raises ValueError with the reason where it does not."""

    def __init__(self, name: str, python: Path, files: Files, precision: str) -> None:
        files.make_for(name, python, precision)
        self._process = subprocess.Popen(
            [python, _CHILD, name, files.folder, precision],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        said = self._line()
        try:
            if said != "ready":
                raise ValueError(said or "it ended")
            self.decoded(_WARM_UP, 2)
        except ValueError:
            self.close()
            raise

    def decoded(self, ids: Sequence[int], new: int) -> Taken:
        """What it answers in a turn; raises ValueError with what it says instead."""
        if self._process.stdin is None:
            raise AssertionError("it was opened with a pipe")
        self._process.stdin.write(json.dumps({"ids": [*ids], "new": new}) + "\n")
        self._process.stdin.flush()
        line = self._line()
        if not line.startswith("["):
            raise ValueError(line or "it ended")
        return Taken(*json.loads(line))

    def close(self) -> None:
        self._process.communicate()

    def _line(self) -> str:
        stdout = self._process.stdout
        return "" if stdout is None else stdout.readline().strip()


@contextmanager
def rivals_elsewhere(
    names: Sequence[str], python: Path | None, files: Files, precision: str
) -> Iterator[tuple[dict[str, Elsewhere], dict[str, str]]]:
    """Those of `names` that run, and why the others do not; they end with the block."""
    found: dict[str, Elsewhere] = {}
    missing: dict[str, str] = {}
    with ExitStack() as stack:
        for name in names:
            if python is None:
                missing[name] = "no --rivals-python"
                continue
            try:
                found[name] = Elsewhere(name, python, files, precision)
            except (OSError, ValueError) as error:
                missing[name] = str(error)
            else:
                stack.callback(found[name].close)
        yield found, missing
