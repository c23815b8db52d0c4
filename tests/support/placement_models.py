"""ResNet-50 and BERT-12 as workloads for placement, of the structure and the figures of
`latency-inputs/OperatorGraphs` of msr-fiddle/dnn-partitioning (MIT licence, (c) Microsoft
Corporation), on three accelerators.

Operators, what they take on a CPU, their bytes (weights and what they write) and the room of an
accelerator are the files'; an accelerator takes a 23rd of a CPU's time, and 2 GiB/s cross its
border, as there. What the stem, the fourth stage's first block and the head of ResNet-50 take is
estimated from the rest, and so are the embedding and the head of BERT-12.
"""

from collections.abc import Sequence
from typing import Any

_FASTER = 23.0
_BYTES_PER_MS = 2**31 / 1000
_PLANE = 25690112.0


class _Network:
    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.edges: list[dict[str, Any]] = []
        self.written: list[float] = []

    def add(
        self, cpu_ms: float, written: float, reads: Sequence[int], kept: float | None = None
    ) -> int:
        """The id of a node that keeps `kept` bytes on an accelerator, what it writes by default."""
        at = len(self.nodes)
        node = {"id": at, "supportedOnFpga": True, "cpuLatency": cpu_ms}
        node |= {"fpgaLatency": cpu_ms / _FASTER, "size": written if kept is None else kept}
        self.nodes.append(node)
        self.written.append(written)
        for source in reads:
            cost = self.written[source] / _BYTES_PER_MS
            self.edges.append({"sourceId": source, "destId": at, "cost": cost})
        return at

    def like(self, cpu_ms: float, *reads: int, kept: float | None = None) -> int:
        """What writes as many bytes as it reads, and takes `cpu_ms` for those of four planes."""
        written = self.written[reads[0]]
        return self.add(cpu_ms * written / (4 * _PLANE), written, reads, kept)

    def workload(self, room: float) -> dict[str, Any]:
        return {
            "maxSizePerFPGA": room,
            "maxFPGAs": 3,
            "maxCPUs": 1,
            "nodes": self.nodes,
            "edges": self.edges,
        }


#: Of each stage: blocks; planes that the first block's and the others' first convolution write, the
#: second writes, the block writes; what convolutions take: first and second in the first block and
#: in the others, third, the one beside the block; how many times the weights of the first stage.
_STAGES = (
    (3, (1, 1, 1, 4), (11.06, 26.19, 16.73, 26.19, 44.25, 44.25), 1),
    (4, (2, 0.5, 0.5, 2), (33.47, 72.65, 12.15, 21.6, 25.91, 78.85), 4),
    (6, (1, 0.25, 0.25, 1), (24.0, 70.0, 9.86, 19.31, 16.73, 69.7), 16),
    (3, (0.5, 0.125, 0.125, 0.5), (19.7, 69.2, 8.7, 18.2, 12.1, 65.1), 64),
)

#: The bytes of the weights of the first stage's convolutions: first, second, third, beside.
_WEIGHTS = (65536.0, 147456.0, 65536.0, 131072.0)


def resnet_50() -> dict[str, Any]:
    """176 operators that want 3.5 GB, where three accelerators have 1.9 GB."""
    net = _Network()

    def conv(cpu_ms: float, planes: float, read: int, weights: float) -> int:
        written = planes * _PLANE
        return net.like(295.19, net.add(cpu_ms, written, [read], written + weights), kept=2048.0)

    def relu(read: int) -> int:
        return net.like(110.545, read)

    at = relu(net.like(295.19, net.add(80.0, 4 * _PLANE, []), kept=2048.0))
    at = net.add(101.37, _PLANE, [at], 2 * _PLANE)
    for blocks, planes, takes, times in _STAGES:
        weights = [times * each for each in _WEIGHTS]
        for block in range(blocks):
            first = block == 0
            beside = conv(takes[5], planes[3], at, weights[3]) if first else at
            inside = relu(conv(takes[0 if first else 2], planes[0 if first else 1], at, weights[0]))
            inside = relu(conv(takes[1 if first else 3], planes[2], inside, weights[1]))
            inside = conv(takes[4], planes[3], inside, weights[2])
            at = relu(net.like(73.6157, inside, beside))
    at = net.add(14.0, 262144.0, [at])
    at = net.add(0.3, 262144.0, [at])
    at = net.add(2.0, 128000.0, [at], 8320000.0)
    net.add(0.1, 128000.0, [at])
    return net.workload(629145600.0)


_HIDDEN, _SCORES, _INNER, _VOCABULARY = 9437184.0, 75497472.0, 50331648.0, 375e6


def bert_12() -> dict[str, Any]:
    """414 operators that want 9.2 GB, where three accelerators have 6.4 GB."""
    net = _Network()

    def chain(read: int, *steps: tuple[float, float, float]) -> int:
        """Operator after operator: what each takes, writes and keeps beyond that."""
        for cpu_ms, written, more in steps:
            read = net.add(cpu_ms, written, [read], written + more)
        return read

    def linear(read: int) -> int:
        return chain(read, (11.704, _HIDDEN, 2359296.0), (6.7606, _HIDDEN, 3072.0))

    def heads(read: int) -> int:
        return chain(linear(read), (3.369, _HIDDEN, 0.0), (6.7606, _HIDDEN, 0.0))

    def norm(read: int) -> int:
        return net.add(27.118, _HIDDEN, [read], 18432.0)

    def drop(read: int) -> int:
        return net.add(6.866, _HIDDEN, [read], 294912.0)

    def add(*reads: int) -> int:
        return net.add(6.7606, _HIDDEN, reads)

    ids = net.add(0.0, 24576.0, [])
    mask = chain(net.add(0.1, 12288.0, []), (0.1, 12288.0, 0.0))
    words, places, kinds = (
        chain(ids, (cpu_ms, _HIDDEN, more))
        for cpu_ms, more in ((6.76, 93782016.0), (3.4, 1572864.0), (3.4, 6144.0))
    )
    at = drop(norm(add(add(words, places), kinds)))
    for _ in range(12):
        keys, queries, values = heads(at), heads(at), heads(at)
        scores = chain(net.add(76.96, _SCORES, [queries, keys]), (81.217, _SCORES, 0.0))
        scores = chain(net.add(54.085, _SCORES, [scores, mask]), (81.217, _SCORES, 0.0))
        scores = net.add(54.927, _SCORES, [scores], 2359296.0)
        mixed = net.add(403.445, _HIDDEN, [scores, values])
        mixed = chain(mixed, (6.7606, _HIDDEN, 0.0), (3.369, _HIDDEN, 0.0))
        middle = norm(add(drop(linear(mixed)), at))
        inner = chain(
            middle,
            (62.42, _INNER, 12582912.0),
            (36.057, _INNER, 16384.0),
            (54.145, _INNER, 0.0),
            (47.822, _HIDDEN, 12582912.0),
            (6.7606, _HIDDEN, 3072.0),
        )
        at = norm(add(drop(inner), middle))
    chain(
        norm(chain(linear(at), (10.0, _HIDDEN, 0.0))),
        (600.0, _VOCABULARY, _VOCABULARY),
        (268.0, _VOCABULARY, 122112.0),
    )
    chain(at, (0.5, 24576.0, 2359296.0), (0.1, 64.0, 6144.0))
    return net.workload(2147483648.0)
