"""Rivals in an environment of their own, each a child of this process (child.py)."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from benchmarks.decode.here import Taken

NAMES = ("onnxruntime-genai", "llama.cpp")

#: A first prompt, for what engines do once.
_WARM_UP = (1, 2, 3)

_CHILD = Path(__file__).with_name("child.py")
_BUILDER = "import onnxruntime_genai.models as m; print(*m.__path__)"


class Elsewhere:
    """A rival that `python` runs; raises ValueError with the reason where it does not."""

    def __init__(self, name: str, python: Path, folder: Path) -> None:
        if name == "onnxruntime-genai":
            _build(python, folder)
        self._process = subprocess.Popen(
            [python, _CHILD, name, folder],
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
    model: Any, python: Path, folder: Path
) -> Iterator[tuple[dict[str, Elsewhere], dict[str, str]]]:
    """Those that run, and why the others do not, by name; they end with the block."""
    save(model, folder / "weights")
    found: dict[str, Elsewhere] = {}
    missing: dict[str, str] = {}
    with ExitStack() as stack:
        for name in NAMES:
            try:
                found[name] = Elsewhere(name, python, folder)
            except (OSError, ValueError) as error:
                missing[name] = str(error)
            else:
                stack.callback(found[name].close)
        yield found, missing


def save(model: Any, folder: Path) -> None:
    """As transformers saves it, with a tokenizer that has a word for each token."""
    model.save_pretrained(folder)
    words = {f"w{token}": token for token in range(model.config.vocab_size)}
    tokenizer = Tokenizer(WordLevel(words, "w0"))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)


def _build(python: Path, folder: Path) -> None:
    """Let the model builder of onnxruntime-genai, which needs torch, run in this environment."""
    where = subprocess.run([python, "-c", _BUILDER], capture_output=True, text=True, check=False)
    if where.returncode:
        raise ValueError("it is not installed there")
    builder = Path(where.stdout.strip()) / "builder.py"
    made = [f"-i={folder / 'weights'}", f"-o={folder / 'genai'}", f"-c={folder / 'cache'}"]
    done = subprocess.run(
        [sys.executable, builder, *made, "-p=fp32", "-e=cpu"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ValueError(f"its model builder: {done.stderr.strip().splitlines()[-1]}")
