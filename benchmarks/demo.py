"""The main job on real input: a sentence encoder becomes a plan, runs, and is explained.

    python -m benchmarks.demo

Compiles MiniLM-L6 with its real weights for one CPU thread, all CPU threads and a modelled
processing-in-memory device, runs the plan on real sentences, and compares their similarities with
those of the original model in PyTorch.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from stagecut.compiler import compile_model
from stagecut.compiler.cli.output import progress_bars
from stagecut.compiler.context import Settings
from stagecut.compiler.formats.chrome_trace import to_chrome
from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.report.model.build import build_report
from stagecut.compiler.report.page.html import to_html
from stagecut.compiler.report.terminal.report import print_report
from stagecut.models import minilm
from stagecut.runtime import Session

SENTENCES = (
    "The cat sleeps on the warm windowsill.",
    "A kitten is dozing in the sun.",
    "The central bank raised interest rates again.",
    "Borrowing money has become more expensive.",
    "She plays the violin in a string quartet.",
)
DEVICES = ("cpu.serial", "cpu.parallel", "pim.hbm")
OUT = Path("out")


def main() -> None:
    console = Console()
    console.rule("MiniLM-L6: compile")
    encoder = minilm.SentenceEncoder.load()
    feeds = encoder.encode(SENTENCES)
    plan = compile_model("zoo:minilm", devices=DEVICES, settings=Settings(progress=progress_bars()))
    OUT.mkdir(exist_ok=True)
    plan.save(OUT / "minilm.plan")

    console.rule("Run the plan on real sentences")
    session = Session(OUT / "minilm.plan")
    ours = np.concatenate([session.run(None, sentence)[0] for sentence in feeds])
    theirs = np.concatenate([_embed(encoder, sentence) for sentence in feeds])
    console.print(_similarities(ours, theirs))
    agreement = (
        (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    )
    console.print(f"cosine of each embedding to PyTorch's: at least {agreement.min():.6f}")

    console.rule("What runs where, and why")
    trace = session.run_with_trace(None, feeds[0])[1]
    first = plan.first
    report = build_report(first.planned, read_costs(first.costs), trace)
    print_report(report, console)
    (OUT / "minilm.html").write_text(to_html(report), encoding="utf-8")
    (OUT / "minilm.trace.json").write_text(to_chrome(trace))
    console.print(f"\nwrote {OUT}/minilm.plan, {OUT}/minilm.html, {OUT}/minilm.trace.json")


def _embed(encoder: minilm.SentenceEncoder, feeds: Mapping[str, Tensor]) -> Tensor:
    with torch.inference_mode():
        embedding = encoder.module(**{name: torch.from_numpy(a) for name, a in feeds.items()})
    return np.asarray(embedding)


def _similarities(ours: Tensor, theirs: Tensor) -> Table:
    table = Table(title="similarity of two sentences: the plan's, and PyTorch's")
    for heading in ("sentence", "sentence", "plan", "PyTorch"):
        table.add_column(heading, justify="left" if heading == "sentence" else "right")
    for one in range(len(SENTENCES)):
        for other in range(one + 1, len(SENTENCES)):
            table.add_row(
                SENTENCES[one],
                SENTENCES[other],
                f"{ours[one] @ ours[other]:.4f}",
                f"{theirs[one] @ theirs[other]:.4f}",
            )
    return table


if __name__ == "__main__":
    main()
