"""Claim: under a budget of error, a plan is as fast as the best uniform precision that keeps it.

    python -m benchmarks.precision [--models minilm,bert-base] [--rounds 15] [--effort normal]
                                   [--budgets 0.001,0.01,0.05] [--output FILE.json]

Each takes its turn with one input, on all CPUs: ONNX Runtime and OpenVINO in float32; the whole
model in each lower precision by the engines' own tools (quantize_dynamic, quantize_static on the
calibration samples, MatMulNBitsQuantizer with 8 and 4 bits, OpenVINO's bf16, and OpenVINO on what
quantize_static and the latter tool wrote); and the plans that stagecut makes under each budget,
with the same calibration samples. Printed are medians and ranges, and the error on samples that
neither has seen: as relative rms, and as the least cosine of an output. Processor times are for
machines with other work. MiniLM has its trained weights and real sentences; pp-ocr-det and pp-ocr-
rec, of the package rapidocr-onnxruntime, have theirs, and random pixels; others, such as bert-base
and resnet-50, have random weights, and random tokens or pixels. A last line for each budget has
the plan beside the fastest of the others that keep it: the median of the ratios within each round.
"""

import argparse
import json
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from benchmarks.support import describe_machine, spread
from benchmarks.throughput.models import PP_OCR, model_called
from benchmarks.turns import ForeignLoad, in_turns
from stagecut.compiler import compile_model
from stagecut.compiler.frontends.load import import_model
from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.units import seconds
from stagecut.compiler.measure.cpus import usable_cpus
from stagecut.compiler.measure.environment import instruction_sets
from stagecut.compiler.onnx_runtime import ort, quantization
from stagecut.passes.gate.accuracy import output_differences
from stagecut.passes.precision.rms import rms
from stagecut.runtime.session import Session

#: What one input becomes.
Run = Callable[[Feeds], Mapping[str, Tensor]]

SENTENCES = (
    "The train to the coast leaves at nine and is rarely late.",
    "How do I reset the password of my account?",
    "A small dog chased three ducks across the frozen pond.",
    "Interest rates were left unchanged for the third month in a row.",
    "She tuned the old violin before the concert began.",
    "Which of these plants can live without direct sunlight?",
    "The committee will publish its report at the end of the year.",
    "He forgot the key, so we waited in the rain for an hour.",
    "Photosynthesis turns light, water and carbon dioxide into sugar.",
    "Please send the signed contract back by Friday.",
    "The recipe needs two eggs, a cup of flour and some milk.",
    "A thin layer of snow covered the roofs of the village.",
    "What is the fastest way from the airport to the centre?",
    "The telescope recorded light that had travelled for ten billion years.",
    "Our neighbours painted their house in a bright shade of yellow.",
    "Several users say that the update made their phones slower.",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", default="minilm,bert-base")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--budgets", default="0.001,0.01,0.05")
    parser.add_argument("--effort", default="normal")
    parser.add_argument("--output", type=Path, help="a file for the figures, as JSON")
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # the tools tell of each operator
    print(describe_machine())
    print(f"instruction sets: {', '.join(instruction_sets())}")
    budgets = [float(text) for text in options.budgets.split(",")]
    found = {
        name: measured(name, budgets, options.rounds, options.effort)
        for name in options.models.split(",")
    }
    if options.output is not None:
        options.output.write_text(json.dumps(found, indent=1))


def measured(
    name: str, budgets: Sequence[float], rounds: int, effort: str
) -> dict[str, dict[str, Any]]:
    """Prints the table of one model, and returns its figures."""
    source, own, shapes = loaded(name)
    imported, _ = import_model(source)
    samples = samples_of(name, own or imported.feeds)
    calibration, held_out = samples[::2], samples[1::2]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        file = folder / "model.onnx"
        onnx.save(_at_shapes(ir.to_proto(imported.model), calibration[0]), file)
        runs = uniform(file, folder, calibration)
        data = folder / "calibration.npz"
        stacked = {key: np.stack([each[key] for each in calibration]) for key in calibration[0]}
        np.savez(data, **stacked)  # type: ignore[arg-type]  # names are the model's
        told: dict[str, str] = {}
        for budget in budgets:
            start_s = time.perf_counter()
            plan = compile_model(
                imported, feeds=calibration[0], shapes=shapes, tolerance=budget, calibrate=data,
                settings=settings(effort),
            )  # fmt: skip
            took_s = time.perf_counter() - start_s
            label = f"stagecut, {budget:g}"
            [variant] = plan.variants
            told[label] = f"{variant.planned.shipped.name}; compiled in {took_s:.0f} s"
            planned = variant.planned
            found = planned.precision and planned.precision.of(planned.shipped.name)
            if found and found.measured is not None:
                told[label] += f"; predicted {found.predicted:.2e}, held out {found.measured:.2e}"
            plan.save(folder / f"{budget:g}.plan")
            runs[label] = of_session(Session(folder / f"{budget:g}.plan"))
        return compare(name, runs, held_out, rounds, told, budgets)


def loaded(name: str) -> tuple[str, Feeds, Mapping[str, tuple[int, ...]] | None]:
    """Where a model is, an input for it where it brings none, and its shape where that is open."""
    if name not in PP_OCR:
        return f"zoo:{name}", {}, None
    model = model_called(name, Path())
    if model is None:
        raise SystemExit(f"{name} is a file of rapidocr-onnxruntime, which is not installed")
    return str(model.path), model.feeds, {key: each.shape for key, each in model.feeds.items()}


def _at_shapes(model: onnx.ModelProto, feeds: Feeds) -> onnx.ModelProto:
    """For inputs of these shapes alone, as the plans are: with open ones, engines are slower. The
    tools turn weights of a Gemm, and then find that their shapes are not what was said."""
    del model.graph.value_info[:]
    for port in model.graph.input:
        known = port.type.tensor_type.shape
        del known.dim[:]
        known.dim.extend(
            onnx.TensorShapeProto.Dimension(dim_value=size) for size in feeds[port.name].shape
        )
    return model


def settings(effort: str) -> Any:
    from stagecut.compiler.context import Settings

    return Settings(effort=effort)  # type: ignore[arg-type]  # a text of the command line


def samples_of(name: str, own: Feeds) -> list[Feeds]:
    """Real sentences for MiniLM, random tokens or pixels for others."""
    if name.startswith("minilm"):
        from stagecut.models.minilm import SentenceEncoder

        length = own["input_ids"].shape[-1]
        return [*SentenceEncoder.load().encode(SENTENCES, length)]
    rng = np.random.default_rng(0)
    if "input_ids" not in own:
        return [
            {key: rng.standard_normal(each.shape).astype(each.dtype) for key, each in own.items()}
            for _ in SENTENCES
        ]
    most = int(own["input_ids"].max()) + 1
    return [{**own, "input_ids": rng.integers(0, most, own["input_ids"].shape)} for _ in SENTENCES]


class Calibration:
    """The samples, one by one, as onnxruntime's tool reads them."""

    def __init__(self, samples: Sequence[Feeds]) -> None:
        self._left = iter(samples)

    def get_next(self) -> Feeds | None:
        return next(self._left, None)


def uniform(file: Path, folder: Path, samples: Sequence[Feeds]) -> dict[str, Run]:
    """The whole model, by the engines and their own tools."""
    runs = {"ONNX Runtime f32": of_onnxruntime(file)}
    quantization().quantize_dynamic(
        file, folder / "dynamic.onnx", op_types_to_quantize=["MatMul"], per_channel=True
    )
    runs["ONNX Runtime dynamic int8"] = of_onnxruntime(folder / "dynamic.onnx")
    quantization().quantize_static(
        file,
        folder / "static.onnx",
        Calibration(samples),
        quant_format=quantization().QuantFormat.QDQ,
        op_types_to_quantize=["MatMul", "Gemm", "Conv"],
        per_channel=True,
        activation_type=quantization().QuantType.QUInt8,
        weight_type=quantization().QuantType.QInt8,
        reduce_range=not any("vnni" in each for each in instruction_sets()),
    )
    runs["ONNX Runtime static int8"] = of_onnxruntime(folder / "static.onnx")
    for bits, block in ((8, 128), (4, 32)):
        there = folder / f"int{bits}.onnx"
        in_blocks(file, there, bits=bits, block_size=block, accuracy_level=4)
        runs[f"ONNX Runtime MatMulNBits int{bits}"] = of_onnxruntime(there)
    try:
        import openvino as ov
    except ImportError:
        return runs
    core = ov.Core()
    qdq = quantization().QuantFormat.QDQ
    in_blocks(file, folder / "qdq.onnx", bits=4, block_size=32, quant_format=qdq)
    asked = {
        "static int8": (folder / "static.onnx", "f32"),
        "int4": (folder / "qdq.onnx", "f32"),
        "f32": (file, "f32"),
    }
    if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        asked["bf16"] = (file, "bf16")
    for name, (model, precision) in asked.items():
        try:
            runs[f"OpenVINO {name}"] = of_openvino(core, model, precision)
        except RuntimeError as error:
            first = str(error).strip().splitlines()[-1]
            print(f"OpenVINO {name}: it does not take what the tool wrote: {first}")
    return runs


def in_blocks(file: Path, to: Path, **options: Any) -> None:
    """Write the model with the weights of its products in blocks of few bits."""
    blocks = quantization().matmul_nbits_quantizer
    config = blocks.DefaultWeightOnlyQuantConfig(is_symmetric=True, **options)
    quantiser = blocks.MatMulNBitsQuantizer(onnx.load(file), algo_config=config)
    quantiser.process()
    onnx.save(quantiser.model.model, to)


def of_onnxruntime(file: Path) -> Run:
    options = ort.SessionOptions()
    options.intra_op_num_threads = usable_cpus()
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return of_session(ort.InferenceSession(file, options, providers=["CPUExecutionProvider"]))


def of_session(session: Any) -> Run:
    """One of ONNX Runtime's, or of stagecut's."""
    names = [output.name for output in session.get_outputs()]
    return lambda feeds: dict(zip(names, session.run(names, dict(feeds)), strict=True))


def of_openvino(core: Any, file: Path, precision: str) -> Run:
    compiled = core.compile_model(
        file,
        "CPU",
        {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": usable_cpus(),
        },
    )
    request = compiled.create_infer_request()
    names = [output.any_name for output in compiled.outputs]

    def run(feeds: Feeds) -> Mapping[str, Tensor]:
        request.infer(dict(feeds), share_inputs=True)
        return {name: np.array(request.get_tensor(name).data) for name in names}

    return run


def compare(
    model: str,
    runs: Mapping[str, Run],
    held_out: Sequence[Feeds],
    rounds: int,
    told: Mapping[str, str],
    budgets: Sequence[float],
) -> dict[str, dict[str, Any]]:
    """Errors first, whose runs are not timed; then all in turns on one input."""
    right = [runs["ONNX Runtime f32"](feeds) for feeds in held_out]
    errors = {
        name: [(run(feeds), wanted) for feeds, wanted in zip(held_out, right, strict=True)]
        for name, run in runs.items()
    }
    load, times_s = ForeignLoad(), {name: list[float]() for name in runs}
    cpu_s = {name: list[float]() for name in runs}
    for name in in_turns([*runs], rounds):
        start_s, start_cpu_s = time.perf_counter(), time.process_time()
        runs[name](held_out[0])
        times_s[name].append(time.perf_counter() - start_s)
        cpu_s[name].append(time.process_time() - start_cpu_s)
    best_s = min(statistics.median(times_s[n]) for n in ("ONNX Runtime f32", *_other_f32(runs)))
    print(f"\n{model}: {rounds} rounds in turns; {load}")
    found = {}
    for name, each in times_s.items():
        off, cosine = rms(errors[name]), least_cosine(errors[name])
        median_s = statistics.median(each)
        found[name] = {"median_s": median_s, "rms": off, "cosine": cosine, "times_s": each}
        found[name]["cpu_s"] = cpu_s[name]
        ratio = best_s / median_s
        print(
            f"  {name:32} {spread(each):36} {ratio:5.2f} x f32"
            f"   CPU {seconds(statistics.median(cpu_s[name]))}   rms {off:.2e}"
            f"   cosine {cosine:.5f}   {told.get(name, '')}"
        )
    for budget in budgets:
        print(f"  {verdict(found, f'stagecut, {budget:g}', budget)}")
    return found


def verdict(found: Mapping[str, Mapping[str, Any]], plan: str, budget: float) -> str:
    """The plan beside the fastest of the others that keep the budget."""
    if plan not in found:
        return f"{budget:g}: no plan"
    kept = [
        name
        for name, each in found.items()
        if not name.startswith("stagecut") and each["rms"] <= budget
    ]
    best = min(kept, key=lambda name: float(found[name]["median_s"]))
    wall, cpu = (
        statistics.median(
            own / other for own, other in zip(found[plan][times], found[best][times], strict=True)
        )
        for times in ("times_s", "cpu_s")
    )
    off = "" if found[plan]["rms"] <= budget else f"; beyond it: {found[plan]['rms']:.2e}"
    return f"{budget:g}: {wall:.3f} of {best}, of its CPU time {cpu:.3f}{off}"


def _other_f32(runs: Mapping[str, Run]) -> list[str]:
    return [name for name in runs if name == "OpenVINO f32"]


def least_cosine(pairs: Sequence[tuple[Mapping[str, Tensor], Mapping[str, Tensor]]]) -> float:
    """Of the angle between an output and what is right, over all outputs and samples."""
    found = (each.cosine for pair in pairs for each in output_differences(*pair))
    return min(cosine for cosine in found if cosine is not None)


if __name__ == "__main__":
    main()
