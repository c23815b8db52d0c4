"""A rival in an environment of its own, which has none of stagecut: `python child.py NAME FOLDER
PRECISION`.

Says "ready", or a sentence why not, then answers lines of JSON, {"ids": [...], "new": 64}, with the
tokens and the seconds that they took.
"""

import json
import os
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

#: Tokens, and seconds by the clock and of processor time: of the first one, of a further one.
Answer: TypeAlias = tuple[list[int], float, float, float, float]
Rival: TypeAlias = Callable[[Sequence[int], int], Answer]

#: How many tokens a sequence may hold.
_ROOM = 1024


def genai(folder: Path, precision: str) -> Rival:
    """onnxruntime-genai, on what its model builder has written into FOLDER/genai.PRECISION. It has
    all CPUs: by itself it took one of two."""
    import numpy as np
    import onnxruntime_genai

    config = onnxruntime_genai.Config(str(folder / f"genai.{precision}"))
    threads = {"intra_op_num_threads": len(os.sched_getaffinity(0))}
    config.overlay(json.dumps({"model": {"decoder": {"session_options": threads}}}))
    model = onnxruntime_genai.Model(config)

    def answer(ids: Sequence[int], new: int) -> Answer:
        parameters = onnxruntime_genai.GeneratorParams(model)
        length = len(ids) + new
        parameters.set_search_options(max_length=length, min_length=length, do_sample=False)
        generator = onnxruntime_genai.Generator(model, parameters)
        tokens, times = [], []
        for at in range(new):
            start = time.perf_counter(), time.process_time()
            if not at:
                generator.append_tokens(np.asarray(ids, np.int32))
            generator.generate_next_token()
            tokens.append(int(generator.get_next_tokens()[0]))
            times.append((time.perf_counter() - start[0], time.process_time() - start[1]))
        (first_s, first_cpu_s), *others = times
        token_s, cpu_s = (statistics.median(column) for column in zip(*others, strict=True))
        return tokens, first_s, first_cpu_s, token_s, cpu_s

    return answer


def llama_cpp(folder: Path, precision: str) -> Rival:
    """llama.cpp, by xllamacpp, on a GGUF that is written here from the same weights. Times by the
    clock are its own; processor time of the first token is that of a request for one."""
    import xllamacpp
    from gguf_file import write_gguf  # type: ignore[import-not-found]  # beside this script

    threads = len(os.sched_getaffinity(0))
    file = folder / f"{precision}.gguf"
    if not file.exists():
        whole = file.with_suffix(".part")
        write_gguf(folder / "weights", whole, precision)
        whole.rename(file)
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(file)
    parameters.n_ctx, parameters.n_parallel, parameters.n_gpu_layers = _ROOM, 1, 0
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
    parameters.cache_type_k = parameters.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    server = xllamacpp.Server(parameters)

    def ask(ids: Sequence[int], new: int) -> tuple[dict[str, Any], float]:
        start_s = time.process_time()
        question = {"prompt": [*ids], "n_predict": new, "temperature": 0, "cache_prompt": False}
        found = server.handle_completions({**question, "ignore_eos": True})
        return found, time.process_time() - start_s

    def answer(ids: Sequence[int], new: int) -> Answer:
        _, first_cpu_s = ask(ids, 1)
        found, cpu_s = ask(ids, new)
        tokens = [int(name) for name in re.findall(r"w(\d+)", found["choices"][0]["text"])]
        timings = found["timings"]
        return (
            tokens,
            timings["prompt_ms"] / 1e3,
            first_cpu_s,
            timings["predicted_ms"] / 1e3 / (new - 1),
            (cpu_s - first_cpu_s) / (new - 1),
        )

    return answer


def openvino_genai(folder: Path, precision: str) -> Rival:
    """OpenVINO GenAI, on FOLDER/openvino.f32 or its weights in few bits. Times by the clock are its
    own; processor time of the first token is that of a request for one."""
    import numpy as np
    import openvino
    from openvino_child import pipeline  # type: ignore[import-not-found]  # beside this script

    ask = pipeline(folder, precision)

    def asked(ids: Sequence[int], new: int) -> tuple[Any, float]:
        start_s = time.process_time()
        tokens = openvino.Tensor(np.asarray([ids], np.int64))
        found = ask(tokens, max_new_tokens=new, ignore_eos=True, do_sample=False)
        return found, time.process_time() - start_s

    def answer(ids: Sequence[int], new: int) -> Answer:
        _, first_cpu_s = asked(ids, 1)
        found, cpu_s = asked(ids, new)
        raw = found.perf_metrics.raw_metrics
        return (
            [*map(int, found.tokens[0])],
            raw.m_times_to_first_token[0] / 1e6,
            first_cpu_s,
            float(np.median(np.diff(raw.m_new_token_times))) / 1e3,  # in ms, unlike the others
            (cpu_s - first_cpu_s) / (new - 1),
        )

    return answer


RIVALS = {
    "onnxruntime-genai": genai,
    "llama.cpp": llama_cpp,
    "OpenVINO GenAI": openvino_genai,
}


def main() -> None:
    name, folder, precision = sys.argv[1:]
    # what engines print goes where people look; answers have the pipe to themselves
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        rival = RIVALS[name](Path(folder), precision)
        print("ready", file=answers, flush=True)
        for line in sys.stdin:
            asked = json.loads(line)
            print(json.dumps(rival(asked["ids"], asked["new"])), file=answers, flush=True)
    except Exception as error:
        said = f"{type(error).__name__}: {error}".partition("\n")[0]
        print(said, file=answers, flush=True)


if __name__ == "__main__":
    main()
