"""The rivals in this process: the plan, ONNX Runtime, OpenVINO and torch eager.

Each is made once, and begins with an empty cache in every turn.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from transformers import StaticCache

from stagecut.compiler.measure.cpus import usable_cpus
from stagecut.compiler.onnx_runtime import ort
from stagecut.runtime.decoding.session import DecoderSession

#: The scores of the token behind the last one, of the tokens behind `length` others.
Step: TypeAlias = Callable[[Sequence[int], int], Any]


@dataclass(frozen=True, slots=True)
class Taken:
    """Greedy `tokens`, and seconds by the clock and of processor time: of the first one and, by the
    median, of the others."""

    tokens: list[int]
    first_s: float
    first_cpu_s: float
    token_s: float
    token_cpu_s: float


def decoded(step: Step, ids: Sequence[int], new: int) -> Taken:
    """What a rival answers in a turn."""
    tokens, times, length = list[int](), list[tuple[float, float]](), 0
    given = list(ids)
    for _ in range(new):
        start = time.perf_counter(), time.process_time()
        token = int(step(given, length).argmax())
        times.append((time.perf_counter() - start[0], time.process_time() - start[1]))
        length += len(given)
        tokens.append(token)
        given = [token]
    (first_s, first_cpu_s), *others = times
    token_s, cpu_s = (statistics.median(column) for column in zip(*others, strict=True))
    return Taken(tokens, first_s, first_cpu_s, token_s, cpu_s)


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


def of_openvino(file: Path, states: Mapping[str, str]) -> Callable[[], Step]:
    """What is exported as it is, its cache in variables; raises ModuleNotFoundError where OpenVINO
    is not installed."""
    import openvino
    from openvino._offline_transformations import apply_make_stateful_transformation

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


def of_torch(model: Any, room: int | None = None) -> Callable[[], Step]:
    """transformers' model with a DynamicCache, or a StaticCache with that much `room`."""
    torch.set_num_threads(usable_cpus())

    def begin() -> Step:
        cache = None if room is None else StaticCache(config=model.config, max_cache_len=room)
        held: dict[str, Any] = {"cache": cache}

        def step(given: Sequence[int], length: int) -> Any:
            positions = torch.arange(length, length + len(given))[None]
            with torch.no_grad():
                found = model(
                    input_ids=torch.tensor([given]),
                    position_ids=positions,
                    past_key_values=held["cache"],
                    use_cache=True,
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
