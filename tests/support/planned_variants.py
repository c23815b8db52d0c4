"""Sample plans, small enough to check by eye, for whatever reads or shows a plan."""

import hashlib
from dataclasses import replace

from stagecut.compiler.ir.contender import Contender, ContenderId, ContenderKind
from stagecut.compiler.ir.costs import Endpoint
from stagecut.compiler.ir.machine import HOST, Device, Link, Machine, Memory
from stagecut.compiler.ir.provenance import Provenance
from tests.support.planned import US, Row, Sample, planned, sample_of, with_known

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
    (
        Link(HOST, "pim.hbm", 26 * US, 16e9, "modelled"),
        Link("pim.hbm", HOST, 46 * US, 16e9, "modelled"),
    ),
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

RELAYED = (
    Row("first", "Relu", ("x",),          ( 5, 90, 90), "cpu"),
    Row("near",  "Relu", ("first",),      (90,  5, 90), "da"),
    Row("far",   "Relu", ("first",),      (90, 90,  5), "db"),
    Row("last",  "Add",  ("near", "far"), ( 5, 90, 90), "cpu"),
)
# fmt: on


def mixed() -> Sample:
    """A transformer block: 12 nodes, 5 stages on 3 devices, 2 transfers; the optimal plan."""
    return planned("block", BLOCK, CPU_AND_PIM, PROVENANCE, inputs=INPUTS, output="head")


def two_transfers() -> Sample:
    """The same block, but that two values are transferred for one stage."""
    rows = [
        replace(row, inputs=("up", "attention")) if row.name == "relu" else row for row in BLOCK
    ]
    return planned("two", rows, CPU_AND_PIM, PROVENANCE, inputs=INPUTS, output="head")


def cpu_only() -> Sample:
    """The same block without the modelled device: all is measured, nothing is transferred."""
    rows = [
        replace(row, run_us=row.run_us[:2], device=row.device.replace("pim.hbm", "cpu.parallel"))
        for row in BLOCK
    ]
    return planned("block", rows, CPU, PROVENANCE, inputs=INPUTS, output="head")


def overruled() -> Sample:
    """The same block, but that the gate found cpu.parallel to be faster than the optimum."""
    rows = [replace(row, device="cpu.parallel") for row in BLOCK]
    sample, optimum = (
        planned("block", rows, CPU_AND_PIM, PROVENANCE, inputs=INPUTS, output="head"),
        mixed().planned,
    )
    serial, parallel = optimum.contenders[1:]
    slow = slower(mixed(), 2e-3 / optimum.shipped.median_s).planned.shipped
    predicted_s = optimum.shipped.predicted_s
    contenders = (
        replace(slow, chosen=False, predicted_s=predicted_s, why="13.9% slower"),
        replace(serial, why="73.1% slower"),
        replace(parallel, chosen=True, why="the best"),
    )
    return with_known(sample, certificate=optimum.certificate, contenders=contenders)


def configured() -> Sample:
    """The same block, but that cpu.parallel is faster still with its threads pinned."""
    sample = overruled()
    *others, parallel = sample.planned.contenders
    pinned = replace(
        parallel,
        id=ContenderId(ContenderKind.SINGLE, "cpu.parallel", "pinning=on"),
        also=(),
        median_s=parallel.median_s / 2,
        cpu_s=parallel.median_s,
    )
    usual = replace(parallel, chosen=False, cpu_s=2 * parallel.median_s, why="2 times as slow")
    return with_known(sample, contenders=(*others, usual, pinned))


def never_run() -> Sample:
    """A plan that was only added up, as one from costs that were handed in."""
    sample = mixed()
    added_up = tuple(map(_added_up, sample.planned.contenders))
    stages = tuple(replace(stage, observed_s=None) for stage in sample.planned.stages)
    return with_known(sample, stages=stages, contenders=added_up)


def _added_up(contender: Contender) -> Contender:
    total_s = contender.predicted_s
    return replace(
        contender,
        accounting="predicted",
        runs=0,
        stage_s=(),
        median_s=total_s,
        min_s=total_s,
        max_s=total_s,
        low_s=total_s,
        high_s=total_s,
    )


def two_ends() -> Sample:
    """The same block, but that its output must end in the memory of the PIM, too."""
    table = mixed().table
    ends = (*table.outputs, Endpoint("head", "pim.hbm"))
    devices = {row.name: row.device for row in BLOCK}
    return sample_of(replace(table, outputs=ends), devices, PROVENANCE)


def relayed() -> Sample:
    """Three memories, of which only the middle one has links to the two others, in microseconds:

    host > a 1, a > b 10, b > a 20, a > host 2
    """
    links = {("host", "a"): 1, ("a", "b"): 10, ("b", "a"): 20, ("a", "host"): 2}
    machine = Machine(
        tuple(map(Memory, ("host", "a", "b"))),
        tuple(Device(name, memory) for name, memory in (("cpu", HOST), ("da", "a"), ("db", "b"))),
        tuple(Link(*ends, latency_us * US, 1e18) for ends, latency_us in links.items()),
    )
    return planned("relayed", RELAYED, machine, PROVENANCE, inputs={"x": 4}, output="last")


def without_pim() -> Sample:
    """The block with everything that ran on the PIM moved to cpu.parallel."""
    rows = [replace(row, device=row.device.replace("pim.hbm", "cpu.parallel")) for row in BLOCK]
    return planned("block", rows, CPU_AND_PIM, PROVENANCE, inputs=INPUTS, output="head")


def slower(sample: Sample, factor: float) -> Sample:
    """The same plan, predicted and observed to be `factor` times as slow."""
    plan = sample.planned
    shipped = replace(
        plan.shipped,
        predicted_s=factor * plan.shipped.predicted_s,
        median_s=factor * plan.shipped.median_s,
        low_s=factor * plan.shipped.low_s,
        high_s=factor * plan.shipped.high_s,
        min_s=factor * plan.shipped.min_s,
        max_s=factor * plan.shipped.max_s,
    )
    contenders = tuple(shipped if each.chosen else each for each in plan.contenders)
    return with_known(sample, latency_s=factor * plan.account.latency_s, contenders=contenders)


def recompiled() -> Sample:
    """The mixed plan, decided alike by another version that took it to be 10 % slower."""
    other = replace(PROVENANCE, stagecut="0.2.0", options={"objective": "energy"})
    return with_known(slower(mixed(), 1.1), provenance=other)


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
