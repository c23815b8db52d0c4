"""What cores lose to each other at the banks of a scratchpad, replayed cycle by cycle.

A core computes one instruction a cycle on numbers that its streams fetch ahead of it. All cores
read one matrix, mostly in step, so that they want the same bank:

    cycle           0    1    2    3    4    5         one bank serves one request a cycle; who
    core 0 B[k]    get  get  get   .    .    .         waits is served in turn, and a core that has
    core 1 B[k]    wait wait wait get  get  get        fallen behind by a row of B finds the banks
    core 2 B[k]    wait wait ...                       free from then on

That first part is long for short kernels and nothing for long ones, and how often streams meet
again depends on the strides of rows: no factor covers it. So the first `REPLAYED` instructions are
replayed, and the rest loses as much as the second half of them.

Sources: a bank serves a request a cycle, four credits a stream, round robin from the request after
the last one but by a tree of 32 leaves that asks left before right [cfg]; three cycles from a grant
to the operand [fit]; cores begin in two rows of four, five cycles from one to the next [fit].
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice

#: So many instructions of each core are replayed.
REPLAYED = 4096

#: Leaves of the tree that arbitrates a bank; each core has three ports.
_LEAVES, _PORTS = 32, 3

#: A bank is as wide as a double.
BANK_BYTES = 8


@dataclass(frozen=True, slots=True)
class Scratchpad:
    """`banks` of eight bytes; `credits` requests of a stream may be under way. An operand is there
    `latency` cycles after its request was granted."""

    banks: int
    credits: int
    latency: int
    skew: int


@dataclass(frozen=True, slots=True)
class Stream:
    """The addresses of a nest of loops, in bytes, innermost first; each is used `repeat` times.

    Core i begins at `start` + i `core_step`.
    """

    port: int
    start: int
    core_step: int
    bounds: tuple[int, ...]
    strides: tuple[int, ...]
    repeat: int = 1

    def addresses(self, core: int) -> Iterator[int]:
        return self._loop(len(self.bounds) - 1, self.start + core * self.core_step)

    def _loop(self, level: int, start: int) -> Iterator[int]:
        for index in range(self.bounds[level]):
            address = start + index * self.strides[level]
            if level:
                yield from self._loop(level - 1, address)
            else:
                yield address


@dataclass(frozen=True, slots=True)
class Program:
    """What each core runs: `ops` instructions (none where a core idles), each on an operand of both
    `reads`, `gap` cycles apart, in blocks of `block`.

    `before` and `after` are the cycles of a block that are no such instructions, `row` those after
    `row_blocks` blocks. Streams fetch from the start, `lead` cycles before the first block. The
    last `writing` instructions of a block store their result through `write`. Operands are fetched
    `ahead` instructions early, where that is not left to the credits of the streams.
    """

    ops: tuple[int, ...]
    block: int
    reads: tuple[Stream, Stream]
    gap: int = 1
    before: int = 0
    after: int = 0
    row: int = 0
    row_blocks: int = 1
    lead: int = 0
    ahead: int = 0
    write: Stream | None = None
    writing: int = 0

    def undisturbed(self, ops: int) -> int:
        """Cycles of a core with `ops` instructions whose operands are always there."""
        blocks = ops // self.block
        between = blocks * (self.before + self.after) + blocks // self.row_blocks * self.row
        return ops * self.gap + between


def cycles(program: Program, pad: Scratchpad) -> int:
    """From the first request to the last result of the slowest core."""
    most = max(program.ops)
    if not most:
        return 0
    replayed = min(most, REPLAYED)
    taken, half = _replayed(_least(program, pad, replayed), pad)
    if replayed == most:
        return taken
    lost = taken - program.undisturbed(REPLAYED)
    early = half - program.undisturbed(REPLAYED // 2)
    rate = max(0.0, (lost - early) / (REPLAYED - REPLAYED // 2))
    return program.undisturbed(most) + lost + round(rate * (most - REPLAYED))


@lru_cache(maxsize=1 << 14)
def _replayed(program: Program, pad: Scratchpad) -> tuple[int, int]:
    """Its cycles, and when the slowest core had computed half of it."""
    replay = Replay(program, pad, max(program.ops))
    return replay.run(), replay.halfway


def _least(program: Program, pad: Scratchpad, most: int) -> Program:
    """What is replayed of it, and no more: addresses count round all banks, and loops end where the
    replay does, so that larger tiles of the same rows are the same program."""
    ring = BANK_BYTES * pad.banks
    shift = program.reads[0].start // BANK_BYTES * BANK_BYTES

    def least(stream: Stream, count: int) -> Stream:
        nest: list[tuple[int, int]] = []
        for bound, stride in zip(stream.bounds, stream.strides, strict=True):
            nest.append((min(bound, count), stride % ring if min(bound, count) > 1 else 0))
            count = -(-count // bound)
        bounds, strides = zip(*nest, strict=True)
        start, step = (stream.start - shift) % ring, stream.core_step % ring
        return Stream(stream.port, start, step, bounds, strides, stream.repeat)

    blocks = -(-most // program.block)
    write = None if program.write is None else least(program.write, blocks * program.writing)
    first, second = (least(stream, -(-most // stream.repeat)) for stream in program.reads)
    return replace(
        program,
        ops=tuple(min(ops, most) for ops in program.ops),
        reads=(first, second),
        row_blocks=min(program.row_blocks, blocks + 1) if program.row else 1,
        write=write,
    )


class _Core:
    """Where a core is: what it has asked for, what has come, and what it has computed."""

    __slots__ = ("asked", "banks", "due", "end", "op", "ops", "ready", "repeats", "stored", "wait")

    def __init__(self, program: Program, pad: Scratchpad, core: int, most: int) -> None:
        self.ops = min(program.ops[core], most)
        self.op = 0
        self.end = -1 if self.ops else 0
        self.wait = pad.skew * (core % 4) + program.lead + program.before
        self.repeats = tuple(stream.repeat for stream in program.reads)
        self.banks = [
            _banks_of(stream, core, -(-self.ops // stream.repeat), pad) for stream in program.reads
        ]
        blocks = -(-self.ops // program.block)
        if program.write is not None:
            self.banks.append(_banks_of(program.write, core, blocks * program.writing, pad))
        self.asked = [0, 0, 0]
        self.ready: list[list[int]] = [[], []]
        self.stored = 0
        self.due = pad.skew * (core % 4)


def _banks_of(stream: Stream, core: int, count: int, pad: Scratchpad) -> list[int]:
    found = islice(stream.addresses(core), count)
    return [address // BANK_BYTES % pad.banks for address in found]


class Replay:
    """Cycle by cycle: every stream asks, every bank grants one request, every core computes."""

    def __init__(self, program: Program, pad: Scratchpad, most: int) -> None:
        self._program = program
        self._pad = pad
        self._cores = [_Core(program, pad, core, most) for core in range(len(program.ops))]
        ports = [stream.port for stream in program.reads]
        self._ports = (*ports, 0 if program.write is None else program.write.port)
        self._turn = [0] * pad.banks
        self._half = most // 2
        #: When the slowest core had computed half of it.
        self.halfway = 0

    def run(self) -> int:
        now = 0
        running = [core for core in self._cores if core.end < 0]
        while running:
            self._grant(self._requests(now), now)
            for core in running:
                self._compute(core, now)
            running = [core for core in running if core.end < 0]
            now += 1
        return max(core.end for core in self._cores)

    def _requests(self, now: int) -> dict[int, dict[int, tuple[_Core, int]]]:
        """Bank -> leaf of its tree -> the core that asks, and which of its streams."""
        wanted: dict[int, dict[int, tuple[_Core, int]]] = {}
        ahead = self._program.ahead or self._pad.credits
        for number, core in enumerate(self._cores):
            if core.end >= 0 or now < core.due:
                continue
            for stream in (0, 1):
                asked = core.asked[stream]
                used = core.op // core.repeats[stream]
                if asked - used < ahead and asked < len(core.banks[stream]):
                    leaf = _PORTS * number + self._ports[stream]
                    wanted.setdefault(core.banks[stream][asked], {}).setdefault(
                        leaf, (core, stream)
                    )
            if core.asked[2] < core.stored:
                leaf = _PORTS * number + self._ports[2]
                wanted.setdefault(core.banks[2][core.asked[2]], {})[leaf] = (core, 2)
        return wanted

    def _grant(self, wanted: dict[int, dict[int, tuple[_Core, int]]], now: int) -> None:
        for bank, requests in wanted.items():
            turn = self._turn[bank]
            leaf = next(iter(requests)) if len(requests) == 1 else winner(requests, turn)
            self._turn[bank] = _next_turn(requests, turn)
            core, stream = requests[leaf]
            core.asked[stream] += 1
            if stream < 2:
                core.ready[stream].append(now + self._pad.latency)

    def _compute(self, core: _Core, now: int) -> None:
        program = self._program
        if core.wait > 0:
            core.wait -= 1
            return
        if core.op == core.ops:
            if core.stored == core.asked[2]:
                core.end = now
            return
        if not (_is_there(core, 0, now) and _is_there(core, 1, now)):
            return
        if program.writing and core.op % program.block >= program.block - program.writing:
            if core.stored - core.asked[2] >= self._pad.credits:
                return
            core.stored += 1
        core.op += 1
        if core.op == self._half:
            self.halfway = now
        core.wait = program.gap - 1
        if core.op % program.block == 0:
            core.wait += program.after
            if core.op < core.ops:
                core.wait += program.before
            if core.op // program.block % program.row_blocks == 0:
                core.wait += program.row


def _is_there(core: _Core, stream: int, now: int) -> bool:
    index = core.op // core.repeats[stream]
    ready = core.ready[stream]
    return index < len(ready) and ready[index] <= now


def winner(requests: dict[int, tuple[_Core, int]], turn: int) -> int:
    """The leaf whose turn it is, or else the one that the tree finds: at each fork it goes where
    the turn's bit says if somebody asks there."""
    mask = sum(1 << leaf for leaf in requests)
    first, size = 0, _LEAVES
    while size > 1:
        size //= 2
        left = mask >> first & ((1 << size) - 1)
        right = mask >> (first + size) & ((1 << size) - 1)
        if not left or (right and turn // size & 1):
            first += size
    return first


def _next_turn(requests: dict[int, tuple[_Core, int]], turn: int) -> int:
    """The next leaf after `turn` that asks now, round about."""
    later = [leaf for leaf in requests if leaf > turn]
    return min(later) if later else min(requests)
