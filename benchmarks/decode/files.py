"""What rivals read, each made once from the same weights, in a folder that may be kept.

weights/              as transformers saves them, with a tokenizer that has a word for each token
model.onnx            as torch.export writes it, with past and present as inputs and outputs
openvino.f32/         the same with its cache in OpenVINO's own variables
genai.PRECISION/      as the model builder of onnxruntime-genai writes it
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx_ir as ir
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from stagecut.compiler.frontends import zoo
from stagecut.compiler.frontends.decoder.pairs import find_pairs
from stagecut.compiler.frontends.load import import_model
from stagecut.models.architectures import ZooModel

#: As the model builder of onnxruntime-genai calls precisions.
_BUILDERS = {"f32": "fp32", "int8": "int8", "int4": "int4"}
_BUILDER = "import onnxruntime_genai.models as m; print(*m.__path__)"


class Files:
    """Of the zoo's model `spec` in `folder`; nothing that is there already is made again."""

    def __init__(self, spec: str, folder: Path) -> None:
        self._spec = spec
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def vocabulary(self) -> int:
        known: int = json.loads((self.weights / "config.json").read_text())["vocab_size"]
        return known

    @property
    def weights(self) -> Path:
        folder = self.folder / "weights"
        if not (folder / "tokenizer.json").exists():
            _save(self.torch_model().module, folder)
        return folder

    @property
    def onnx(self) -> Path:
        file = self.folder / "model.onnx"
        if not file.exists():
            imported, _ = import_model(self._spec)
            whole = self.folder / "model.part"
            ir.save(imported.model, whole, external_data="model.data")
            whole.rename(file)
        return file

    @property
    def states(self) -> dict[str, str]:
        """The outputs of `onnx` that carry its inputs on."""
        model = ir.load(self.onnx)
        return {str(a.name): str(b.name) for a, b in find_pairs(model.graph, {})}

    def torch_model(self) -> ZooModel:
        return zoo.build(self._spec)

    def make_for(self, name: str, python: Path, precision: str) -> None:
        """What a rival in another environment reads; raises ValueError where it cannot be made."""
        weights = self.weights
        if name == "onnxruntime-genai":
            made = self.folder / f"genai.{precision}"
            if not (made / "genai_config.json").exists():
                _build(python, weights, made, precision)
        elif name == "OpenVINO GenAI" and not (self.folder / "openvino.f32").exists():
            try:
                from benchmarks.decode.openvino_model import write_stateful
            except ModuleNotFoundError as error:
                raise ValueError(f"to write its model: {error}") from None
            write_stateful(self.onnx, self.states, self.folder / "openvino.f32")


def _save(module: Any, folder: Path) -> None:
    module.model.save_pretrained(folder)
    words = {f"w{token}": token for token in range(module.model.config.vocab_size)}
    tokenizer = Tokenizer(WordLevel(words, "w0"))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)


def _build(python: Path, weights: Path, made: Path, precision: str) -> None:
    """Let the model builder, which needs torch, run in this environment; raises ValueError. In few
    bits with activations in int8, as it recommends for CPUs."""
    where = subprocess.run([python, "-c", _BUILDER], capture_output=True, text=True, check=False)
    if where.returncode:
        raise ValueError("it is not installed there")
    builder = Path(where.stdout.strip()) / "builder.py"
    arguments = [f"-i={weights}", f"-o={made}", f"-c={made.with_suffix('.cache')}"]
    options = [f"-p={_BUILDERS[precision]}", "-e=cpu"]
    if precision != "f32":
        options += ["--extra_options", "accuracy_level=4", "block_size=32"]
    done = subprocess.run(
        [sys.executable, builder, *arguments, *options],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ValueError(f"its model builder: {done.stderr.strip().splitlines()[-1]}")
