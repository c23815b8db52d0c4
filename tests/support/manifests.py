"""Sample plans, small enough to check by eye, for whatever reads or shows a plan."""

import hashlib
from dataclasses import replace

from stagecut.compiler.ir.machine import HOST, Device, Link, Machine, Memory
from stagecut.compiler.ir.plan import Provenance
from tests.support.planned import US, Row, Sample, planned

SERIAL = Device("cpu.serial", HOST, stage_s=2 * US, description="ONNX Runtime, 1 thread")
PARALLEL = Device("cpu.parallel", HOST, stage_s=5 * US, description="ONNX Runtime, 2 threads")
PIM = Device(
    "pim.hbm",
    "pim.hbm",
    basis="modelled",
    stage_s=10 * US,
    description="HBM-PIM, 64 pseudo-channels",
)
CPU = Machine((Memory(HOST),), (SERIAL, PARALLEL))
CPU_AND_PIM = Machine(
    (Memory(HOST), Memory("pim.hbm", capacity_bytes=4 * 2**30)),
    (SERIAL, PARALLEL, PIM),
    (Link(HOST, "pim.hbm", 26 * US, 16e9), Link("pim.hbm", HOST, 46 * US, 16e9)),
)
PROVENANCE = Provenance(
    stagecut="0.1.0",
    model="zoo:block",
    model_sha256=hashlib.sha256(b"block").hexdigest(),
    cpu="Example CPU at 3 GHz",
    threads=2,
    versions={"onnx": "1.19.0", "onnxruntime": "1.23.0"},
    devices={
        "cpu.serial": "cpu.serial",
        "cpu.parallel": "cpu.parallel",
        "pim.hbm": "pim.hbm:channels=64",
    },
    options={"objective": "latency"},
)
MIB = 2**20
INPUTS = {"tokens": 256, "mask": 4096}

# fmt: off
BLOCK = (
    Row("embed",     "Gather",    ("tokens",),          ( 40,  45, None), "cpu.serial"),
    Row("qkv",       "MatMul",    ("embed",),           (520, 290,  410), "cpu.parallel", 3 * MIB),
    Row("attention", "Softmax",   ("qkv", "mask"),      (310, 170, None), "cpu.parallel"),
    Row("project",   "MatMul",    ("attention",),       (180, 100,  140), "cpu.parallel", 1 * MIB),
    Row("add1",      "Add",       ("project", "embed"), ( 12,  14,   20), "cpu.parallel"),
    Row("norm1",     "LayerNorm", ("add1",),            ( 25,  22, None), "cpu.parallel"),
    Row("up",        "MatMul",    ("norm1",),           (900, 480,  150), "pim.hbm", 4 * MIB),
    Row("relu",      "Relu",      ("up",),              ( 40,  30,   12), "pim.hbm"),
    Row("down",      "MatMul",    ("relu",),            (950, 520,  160), "pim.hbm", 4 * MIB),
    Row("add2",      "Add",       ("down", "norm1"),    ( 12,  14,   20), "cpu.parallel"),
    Row("norm2",     "LayerNorm", ("add2",),            ( 45,  22, None), "cpu.parallel"),
    Row("head",      "MatMul",    ("norm2",),           (  3,   9, None), "cpu.serial",
        refusal="MatMul needs a weight operand here"),
)
# fmt: on


def mixed() -> Sample:
    """A transformer block: 12 nodes, 5 stages on 3 devices, 2 copies; the optimal plan."""
    return planned("block", BLOCK, CPU_AND_PIM, PROVENANCE, inputs=INPUTS, output="head")


def two_copies() -> Sample:
    """The same block, but that two values are copied for one stage."""
    rows = [
        replace(row, inputs=("up", "attention")) if row.name == "relu" else row for row in BLOCK
    ]
    return planned("two", rows, CPU_AND_PIM, PROVENANCE, inputs=INPUTS, output="head")


def cpu_only() -> Sample:
    """The same block without the modelled device: every figure is measured, nothing is copied."""
    rows = [
        replace(row, run_us=row.run_us[:2], device=row.device.replace("pim.hbm", "cpu.parallel"))
        for row in BLOCK
    ]
    return planned("block", rows, CPU, PROVENANCE, inputs=INPUTS, output="head")


def one_node() -> Sample:
    """The smallest model that does something, in half a nanosecond."""
    row = Row("only", "Relu", ("x",), (0.0004, 0.002), "cpu.serial")
    return planned("one", [row], CPU, PROVENANCE, inputs={"x": 4}, output="only")


def empty() -> Sample:
    """A model that hands its input back: no node, no stage, no time."""
    return planned("empty", [], CPU_AND_PIM, PROVENANCE, inputs={"x": 4}, output="x")


def hostile() -> Sample:
    """Names that try to be markup, terminal commands, or simply too long."""
    names = {
        "up": "<script>alert(1)</script>",
        "relu": "\"'><img src=x onerror=alert(1)>&amp;",
        "down": "[bold red]{{ 7 * 7 }}[/] \x1b[31m\x07\u202e",
        "add2": "layer/" * 1666 + "last",
        "norm2": "</style></svg>-->]]>",
    }
    rows = [
        replace(
            row,
            name=names.get(row.name, row.name),
            inputs=tuple(names.get(value, value) for value in row.inputs),
            op="<b>MatMul</b>" if row.name == "up" else row.op,
            refusal="<i>no</i>",
        )
        for row in BLOCK
    ]
    return planned("<h1>[b]", rows, CPU_AND_PIM, PROVENANCE, inputs=INPUTS, output="head")


def long_names() -> Sample:
    """Every name has 10,000 characters, and so has every reason."""

    def long(text: str) -> str:
        return text if text == HOST else f"{'long ' * 2000}{text}"[-10_000:]

    machine = Machine(
        tuple(Memory(long(memory.name)) for memory in CPU_AND_PIM.memories),
        tuple(
            replace(device, name=long(device.name), memory=long(device.memory))
            for device in CPU_AND_PIM.devices
        ),
        tuple(
            replace(link, source=long(link.source), target=long(link.target))
            for link in CPU_AND_PIM.links
        ),
    )
    rows = [
        replace(
            row,
            name=long(row.name),
            op=long(row.op),
            inputs=tuple(map(long, row.inputs)),
            device=long(row.device),
            refusal=long(row.refusal),
        )
        for row in BLOCK
    ]
    inputs = {long(name): size_bytes for name, size_bytes in INPUTS.items()}
    output = long("head")
    return planned(long("block"), rows, machine, PROVENANCE, inputs=inputs, output=output)


def wide() -> Sample:
    """Nodes from less than a nanosecond to an hour."""
    rows = [
        replace(
            row,
            run_us=tuple(None if us is None else us * 20.0 ** (index - 4) for us in row.run_us),
        )
        for index, row in enumerate(BLOCK)
    ]
    return planned("wide", rows, CPU_AND_PIM, PROVENANCE, inputs=INPUTS, output="head")


def free() -> Sample:
    """Nodes that take no time at all, in stages that cost nothing to start."""
    rows = [replace(row, run_us=(0, 0), device="cpu.serial") for row in BLOCK]
    devices = tuple(replace(device, stage_s=0.0) for device in CPU.devices)
    machine = replace(CPU, devices=devices)
    return planned("free", rows, machine, PROVENANCE, inputs=INPUTS, output="head")


def large(nodes: int = 2000) -> Sample:
    """`nodes` nodes: the block's, one block after the other."""
    blocks = -(-nodes // len(BLOCK))
    rows = [_in_layer(row, layer) for layer in range(blocks) for row in BLOCK][:nodes]
    last = rows[-1].name
    return planned("large", rows, CPU_AND_PIM, PROVENANCE, inputs=INPUTS, output=last)


def _in_layer(row: Row, layer: int) -> Row:
    """The row as part of a layer; `tokens` are what the layer before hands on."""
    before = {"mask": "mask", "tokens": f"/layer.{layer - 1}/head" if layer else "tokens"}
    inputs = tuple(before.get(value, f"/layer.{layer}/{value}") for value in row.inputs)
    return replace(row, name=f"/layer.{layer}/{row.name}", inputs=inputs)
