"""Oracles for the many-core model that know events and no closed form.

`Cluster`  a DMA core and compute cores that meet at barriers, step by step
`meet`     clusters that hand partial sums to each other, as each of them is ready
`Banks`    cores, streams and banks as objects, a cycle at a time, in the plainest words
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from stagecut.backends.manycore.banks import Program, Scratchpad, Stream
from stagecut.backends.manycore.pipeline import NOTHING, Fetch, Tile


@dataclass
class Cluster:
    """Runs tiles in order on events: when each core comes to the next barrier.

    With `double_buffer`, buffers take turns: while the cores compute a step, the DMA stores the
    tile before, as soon as that is computed, and fetches the next step.
    """

    double_buffer: bool
    barrier: int
    disturbs: float
    events: list[tuple[float, int, str]] = field(default_factory=list)

    def run(self, tiles: Sequence[Tile]) -> float:
        phases = self._early(tiles) if self.double_buffer else self._in_turn(tiles)
        now = 0.0
        for work, transfers in phases:
            now = self._phase(now, work, transfers)
        return now

    def _phase(self, now: float, work: float, transfers: list[Fetch]) -> float:
        """All leave a barrier at `now`; the next lets them go when the last of them has come."""
        disturbed = work + self.disturbs * sum(part.beats for part in transfers) if work else 0.0
        self.events = [(now + disturbed, 0, "cores")]
        start = now
        for part in transfers:
            start += part.cycles
        heapq.heappush(self.events, (start, 1, "dma"))
        arrived = 0.0
        while self.events:
            arrived, _, _ = heapq.heappop(self.events)
        return arrived + self.barrier

    def _in_turn(self, tiles: Sequence[Tile]) -> Iterator[tuple[float, list[Fetch]]]:
        for tile in _each(tiles):
            for step in tile.steps:
                yield 0.0, [step.load]
                yield step.work, []
            yield 0.0, [tile.store]

    def _early(self, tiles: Sequence[Tile]) -> Iterator[tuple[float, list[Fetch]]]:
        """A list of every step, with the store that it makes possible."""
        steps = [
            (step, tile.store if index == len(tile.steps) - 1 else None)
            for tile in _each(tiles)
            for index, step in enumerate(tile.steps)
        ]
        if not steps:
            return
        yield 0.0, [steps[0][0].load]
        ready: Fetch | None = None
        for index, (step, store) in enumerate(steps):
            following = steps[index + 1][0].load if index + 1 < len(steps) else NOTHING
            yield step.work, [part for part in (ready, following) if part is not None]
            ready = store
        assert ready is not None
        yield 0.0, [ready]


def _each(tiles: Sequence[Tile]) -> Iterator[Tile]:
    for tile in tiles:
        for _ in range(tile.count):
            yield tile


def meet(clusters: int, fetch: float, barrier: float, add: float) -> float:
    """When cluster 0 has the sum of all: in round r, each whose number 2^(r + 1) divides fetches
    from the one that is 2^r further, as soon as both have what they had to add up."""
    ready, step = [0.0] * clusters, 1
    while step < clusters:
        for own in range(0, clusters - step, 2 * step):
            ready[own] = max(ready[own], ready[own + step]) + fetch + barrier + add
        step *= 2
    return ready[0]


@dataclass
class _Port:
    """A stream of one core: where it is, and what is under way."""

    addresses: list[int]
    repeat: int
    sent: int = 0
    arrivals: list[int] = field(default_factory=list)

    def has(self, op: int, now: int) -> bool:
        index = op // self.repeat
        return index < len(self.arrivals) and self.arrivals[index] <= now


@dataclass
class _Lane:
    """A core: instructions done, cycles until the next one, results not yet stored."""

    ops: int
    reads: list[_Port]
    write: _Port | None
    wait: int
    begins: int
    done: int = 0
    stored: int = 0
    end: int | None = None


class Banks:
    """`cycles` is how long a program takes, all of it."""

    def __init__(self, program: Program, pad: Scratchpad) -> None:
        self._program, self._pad = program, pad
        self._turns = dict.fromkeys(range(pad.banks), 0)
        self._granted: list[_Port] = []
        self._lanes = [self._lane(core, ops) for core, ops in enumerate(program.ops)]

    def cycles(self) -> int:
        now = 0
        while any(lane.end is None for lane in self._lanes):
            for bank in range(self._pad.banks):
                self._serve(bank, now)
            self._sent(now)
            for lane in self._lanes:
                self._step(lane, now)
            now += 1
        return max(lane.end or 0 for lane in self._lanes)

    def _lane(self, core: int, ops: int) -> _Lane:
        program = self._program
        begins = self._pad.skew * (core % 4)
        reads = [self._port(stream, core, -(-ops // stream.repeat)) for stream in program.reads]
        results = ops // program.block * program.writing
        write = None if program.write is None else self._port(program.write, core, results)
        wait = begins + program.lead + program.before
        return _Lane(ops, reads, write, wait, begins, end=None if ops else 0)

    def _port(self, stream: Stream, core: int, count: int) -> _Port:
        addresses = list(stream.addresses(core))[:count]
        return _Port(addresses, stream.repeat)

    def _wishes(self, lane: _Lane, now: int) -> list[tuple[int, _Port]]:
        """The bank that each of its ports would like."""
        wishes: list[tuple[int, _Port]] = []
        if lane.end is not None or now < lane.begins:
            return wishes
        ahead = self._program.ahead or self._pad.credits
        for port in lane.reads:
            under_way = port.sent - lane.done // port.repeat
            if port.sent < len(port.addresses) and under_way < ahead:
                wishes.append((port.addresses[port.sent] // 8 % self._pad.banks, port))
        if lane.write is not None and lane.write.sent < lane.stored:
            wishes.append(
                (lane.write.addresses[lane.write.sent] // 8 % self._pad.banks, lane.write)
            )
        return wishes

    def _serve(self, bank: int, now: int) -> None:
        """Choose by halving 32 leaves: where both halves ask, the bit of the turn decides."""
        asking: dict[int, _Port] = {}
        numbers = [stream.port for stream in self._program.reads]
        writes = self._program.write.port if self._program.write is not None else 0
        for core, lane in enumerate(self._lanes):
            for wanted, port in self._wishes(lane, now):
                place = writes if port is lane.write else numbers[lane.reads.index(port)]
                if wanted == bank:
                    asking.setdefault(3 * core + place, port)
        if not asking:
            return
        leaves = list(range(32))
        turn = self._turns[bank]
        for bit in (4, 3, 2, 1, 0):
            half = len(leaves) // 2
            left, right = leaves[:half], leaves[half:]
            if not asking.keys() & set(left) or (asking.keys() & set(right) and turn >> bit & 1):
                leaves = right
            else:
                leaves = left
        self._turns[bank] = min(asking, key=lambda leaf: (leaf <= turn, leaf))
        self._granted.append(asking[leaves[0]])

    def _sent(self, now: int) -> None:
        """Grants count from the end of the cycle on."""
        for port in self._granted:
            port.sent += 1
            port.arrivals.append(now + self._pad.latency)
        self._granted = []

    def _step(self, lane: _Lane, now: int) -> None:
        program = self._program
        if lane.end is not None:
            return
        if lane.wait:
            lane.wait -= 1
            return
        written = 0 if lane.write is None else lane.write.sent
        if lane.done == lane.ops:
            lane.end = now if lane.stored == written else None
            return
        if not all(port.has(lane.done, now) for port in lane.reads):
            return
        place = lane.done % program.block
        if place >= program.block - program.writing and program.writing:
            if lane.stored - written >= self._pad.credits:
                return
            lane.stored += 1
        lane.done += 1
        lane.wait = program.gap - 1
        if place == program.block - 1:
            last_of_row = (lane.done // program.block) % program.row_blocks == 0
            more = program.before if lane.done < lane.ops else 0
            lane.wait += program.after + more + (program.row if last_of_row else 0)
