"""Claim: a plan decodes as fast as the engines by themselves, on the same model in float32.

    python -m benchmarks.decode [--model zoo:gpt2:past=1024] [--prompt 128] [--new 64] [--rounds 4]
                                [--plan FILE]

Each takes its turn with the same prompt, greedily, on all CPUs: the plan; ONNX Runtime with past
and present as arrays, and with both bound to two sets of buffers that take turns; OpenVINO with its
own stateful variables, where it is installed; torch eager with a DynamicCache. All have to give the
same tokens. Printed are medians over the rounds: first token, a further token, and the processor
time of both; beside them what numpy reads from memory in a second, and the foreign load.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import torch

from benchmarks.support import describe_machine
from benchmarks.turns import ForeignLoad, in_turns
from stagecut.compiler import compile_model
from stagecut.compiler.frontends import zoo
from stagecut.compiler.frontends.decoder.pairs import find_pairs
from stagecut.compiler.frontends.load import import_model
from stagecut.compiler.ir.state import DecodingOptions
from stagecut.compiler.measure.cpus import usable_cpus
from stagecut.runtime.decoding.session import DecoderSession

#: The scores of the token behind the last one, of the tokens behind `length` others.
Step: TypeAlias = Callable[[Sequence[int], int], Any]

_READ_BYTES = 1 << 29


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="zoo:gpt2:past=1024")
    parser.add_argument("--prompt", type=int, default=128)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--plan", type=Path, help="a plan of the model; else one is made")
    options = parser.parse_args()
    print(describe_machine())
    imported, _ = import_model(options.model)
    states = {str(a.name): str(b.name) for a, b in find_pairs(imported.model.graph, {})}
    ids = np.resize(imported.feeds["input_ids"], options.prompt).tolist()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        ir.save(imported.model, file, external_data="model.data")
        plan = options.plan or compile_model(
            imported, decoding=DecodingOptions(prompt=options.prompt)
        )
        rivals = {
            "plan": of_plan(DecoderSession(plan)),
            "ONNX Runtime, arrays": with_arrays(file, states),
            "the same, not spinning": with_arrays(file, states, spin=False),
            "ONNX Runtime, bound": with_bindings(file, states, options.prompt + options.new),
            "torch, DynamicCache": of_torch(options.model),
        }
        stateful = of_openvino(file, states)
        if stateful is not None:
            rivals["OpenVINO, stateful"] = stateful
        compare(rivals, ids, options.new, options.rounds)


def compare(
    rivals: Mapping[str, Callable[[], Step]], ids: list[int], new: int, rounds: int
) -> None:
    """Run them in turns, and print what each took."""
    load, bandwidths, expected = ForeignLoad(), list[float](), None
    taken: dict[str, list[tuple[float, float, float, float]]] = {name: [] for name in rivals}
    for name in in_turns([*rivals], rounds):
        tokens, figures = decoded(rivals[name](), ids, new)
        expected = expected or tokens
        if tokens != expected:
            raise SystemExit(f"{name} gives other tokens: {tokens[:8]}, not {expected[:8]}")
        taken[name].append(figures)
        bandwidths.append(read_bandwidth())
    print(f"prompt {len(ids)}, {new} tokens, {rounds} rounds; all gave the same tokens; {load}")
    print(f"numpy reads {statistics.median(bandwidths) / 1e9:.1f} GB/s on one CPU")
    print("                        first token   (CPU time)   a token   (CPU time)   tokens/s")
    for name, several in taken.items():
        first, first_cpu, token, token_cpu = (
            1e3 * statistics.median(column) for column in zip(*several, strict=True)
        )
        print(
            f"{name:22} {first:9.1f} ms {first_cpu:9.1f} ms {token:7.2f} ms {token_cpu:8.2f} ms "
            f"{1e3 / token:9.1f}"
        )


def decoded(
    step: Step, ids: Sequence[int], new: int
) -> tuple[list[int], tuple[float, float, float, float]]:
    """Greedy tokens; seconds of the first one and, by the median, of the others."""
    tokens, times, length = list[int](), list[tuple[float, float]](), 0
    given = list(ids)
    for _ in range(new):
        start = time.perf_counter(), time.process_time()
        token = int(step(given, length).argmax())
        times.append((time.perf_counter() - start[0], time.process_time() - start[1]))
        length += len(given)
        tokens.append(token)
        given = [token]
    (first, first_cpu), *others = times
    token_s, cpu_s = (statistics.median(column) for column in zip(*others, strict=True))
    return tokens, (first, first_cpu, token_s, cpu_s)


def read_bandwidth() -> float:
    """Bytes a second, of an array that no cache holds."""
    array = np.ones(_READ_BYTES // 8)
    start_s = time.perf_counter()
    array.sum()
    return _READ_BYTES / (time.perf_counter() - start_s)


def of_plan(session: DecoderSession) -> Callable[[], Step]:
    def begin() -> Step:
        sequence = session.sequence()

        def step(given: Sequence[int], length: int) -> Any:
            entry = "decode" if length else "prefill"
            return sequence.run(entry, {"input_ids": np.asarray([given])})[0][0, -1]

        return step

    return begin


def with_arrays(file: Path, states: Mapping[str, str], *, spin: bool = True) -> Callable[[], Step]:
    session = _session(file, spin=spin)
    asked = ["logits", *states.values()]

    def begin() -> Step:
        past = {name: np.zeros(_shape(session, name, 0), np.float32) for name in states}

        def step(given: Sequence[int], length: int) -> Any:
            logits, *present = session.run(asked, {**_feeds(given, length), **past})
            past.update(zip(states, present, strict=True))
            return logits[0, -1]

        return step

    return begin


def with_bindings(file: Path, states: Mapping[str, str], room: int) -> Callable[[], Step]:
    session = _session(file)
    buffers = [
        {name: np.zeros(_shape(session, name, room), np.float32) for name in states}
        for _ in range(2)
    ]

    def begin() -> Step:
        def step(given: Sequence[int], length: int) -> Any:
            binding, end = session.io_binding(), length + len(given)
            for name, array in _feeds(given, length).items():
                binding.bind_cpu_input(name, array)
            for name, present in states.items():
                _bind(binding.bind_input, name, buffers[0][name], _shape(session, name, length))
                _bind(binding.bind_output, present, buffers[1][name], _shape(session, name, end))
            binding.bind_output("logits")
            session.run_with_iobinding(binding)
            buffers.reverse()
            return binding.get_outputs()[-1].numpy()[0, -1]

        return step

    return begin


def of_openvino(file: Path, states: Mapping[str, str]) -> Callable[[], Step] | None:
    """None where it is not installed."""
    try:
        import openvino
        from openvino._offline_transformations import apply_make_stateful_transformation
    except ModuleNotFoundError:
        return None
    model = openvino.Core().read_model(file)
    apply_make_stateful_transformation(model, dict(states))
    hints = {
        "INFERENCE_PRECISION_HINT": "f32",
        "KV_CACHE_PRECISION": "f32",
        "INFERENCE_NUM_THREADS": usable_cpus(),
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = openvino.Core().compile_model(model, "CPU", hints)

    shapes = {each.info.variable_id: each.info.data_shape for each in model.get_variables()}

    def begin() -> Step:
        request = compiled.create_infer_request()
        for state in request.query_state():
            sizes = [0 if dim.is_dynamic else dim.get_length() for dim in shapes[state.name]]
            state.state = openvino.Tensor(np.zeros(sizes, np.float32))

        def step(given: Sequence[int], length: int) -> Any:
            request.infer(_feeds(given, length))
            return request.get_tensor("logits").data[0, -1]

        return step

    return begin


def of_torch(spec: str) -> Callable[[], Step]:
    decoder: Any = zoo.build(spec).module
    torch.set_num_threads(usable_cpus())

    def begin() -> Step:
        held: dict[str, Any] = {"cache": None}

        def step(given: Sequence[int], length: int) -> Any:  # noqa: ARG001  # its cache knows
            with torch.no_grad():
                found = decoder.model(
                    input_ids=torch.tensor([given]), past_key_values=held["cache"], use_cache=True
                )
            held["cache"] = found.past_key_values
            return found.logits[0, -1]

        return step

    return begin


def _session(file: Path, *, spin: bool = True) -> Any:
    """Threads spin while they wait unless they are told not to, as those of a plan are."""
    options = ort.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spin)))
    options.intra_op_num_threads = usable_cpus()
    return ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def _shape(session: Any, name: str, length: int) -> tuple[int, ...]:
    port = next(port for port in session.get_inputs() if port.name == name)
    return (1, port.shape[1], length, port.shape[3])


def _bind(bind: Any, name: str, buffer: Any, shape: tuple[int, ...]) -> None:
    bind(name, "cpu", 0, np.float32, shape, buffer.ctypes.data)


def _feeds(given: Sequence[int], length: int) -> dict[str, Any]:
    count = len(given)
    return {
        "input_ids": np.asarray([given]),
        "attention_mask": np.ones((1, length + count), np.int64),
        "position_ids": np.arange(length, length + count)[None],
    }


if __name__ == "__main__":
    main()
