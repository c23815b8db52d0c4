"""GDDR6-AiM's kernels: the cycles of one channel, without refresh, and its commands.

A *sweep* multiplies one open row of every bank by the global buffer, burst by burst. A product
consists of passes, one for each 512 outputs; the inner dimension is cut into chunks that fill the
buffer.

    pass, first chunk    fill the buffer | bias | mode | close, open | sweep | mode | read the sums
    pass, further chunks mode | fill | mode | close, open | sweep
    further passes       like the first; with one chunk without `fill`: the buffer still holds it

with, for `op` bursts and c = max(nCCD, nBL):

    fill, then the bias      op c             a stream that the next command of its kind follows
    fill or sweep, then mode (op - 1) c + 1   a change of mode goes out right after the last command
    bias                     1
    mode                     nMODCH
    close, open              nRP + nRCDRDMAC
    read the sums            nCLREG + nBL + 3 - nCWLREG + nWPRE (read, then write on the same pins)
                             + 1 (its own command)

With the preset's numbers: (4 op + 158) for a first chunk, (4 op + 150) for a further one, (2 op +
158) for a further pass over one chunk. A pass over 256 numbers, that is 16 bursts; `16 WR` are
sixteen commands, c apart, and MODE changes between commands to one bank and commands to all:

    cycles      command             first cycle
      0 -  30   16 WR buffer
     32         1 WR bias           30 + c
     33         MODE all banks      32 + 1
     65         PRE all banks       33 + nMODCH
     97         ACT weights         65 + nRP
    153 - 183   16 RD weights       97 + nRCDRDMAC
    184         MODE one bank       183 + 1
    216         1 RD sums           184 + nMODCH

    sums = 6 = nCLREG + nBL + 3 - nCWLREG + nWPRE + 1
    cycles = 222 = 216 + sums

Each RD of weights multiplies and accumulates (MAC) in all banks. These formulas are equal to the
vendor's simulator on all of its rows that are at hand; to which intervals the two single cycles
(the bias; the command that reads the sums) belong is our reading of it.
"""

from dataclasses import dataclass

from stagecut.backends.pim.aim.parameters import Geometry, Timing


@dataclass(frozen=True, slots=True)
class Kernel:
    """Cycles, and numbers of commands on each channel.

    `macs` are reads that multiply, in every bank; `reads` and `writes` go over the data pins;
    `copies` are commands whose data stay within the banks.
    """

    cycles: int
    macs: int = 0
    reads: int = 0
    writes: int = 0
    copies: int = 0
    activates: int = 0

    def __add__(self, other: "Kernel") -> "Kernel":
        return Kernel(
            self.cycles + other.cycles,
            self.macs + other.macs,
            self.reads + other.reads,
            self.writes + other.writes,
            self.copies + other.copies,
            self.activates + other.activates,
        )

    def times(self, count: int) -> "Kernel":
        return Kernel(
            count * self.cycles,
            count * self.macs,
            count * self.reads,
            count * self.writes,
            count * self.copies,
            count * self.activates,
        )


def product(t: Timing, g: Geometry, *, inner: int, outer: int) -> Kernel:
    """One row of the activation, [inner], by a weight [inner, outer]."""
    passes = -(-outer // g.outputs)
    bursts = [-(-chunk // g.lanes) for chunk in chunks(g, inner)]
    if len(bursts) == 1:
        return _pass(t, bursts[0]) + _filled_pass(t, bursts[0]).times(passes - 1)
    further = sum((_further_chunk(t, op) for op in bursts[1:]), Kernel(0))
    return (_pass(t, bursts[0]) + further).times(passes)


def chunks(g: Geometry, inner: int) -> list[int]:
    """The inner dimension cut into chunks that fill the buffer; the last one may be shorter."""
    whole, rest = divmod(inner, g.row_elements)
    return [g.row_elements] * whole + ([rest] if rest else [])


def _pass(t: Timing, op: int) -> Kernel:
    return _filled_pass(t, op) + Kernel(op * t.column, writes=op)


def _filled_pass(t: Timing, op: int) -> Kernel:
    cycles = 1 + t.nmodch + _open(t) + _then_mode(t, op) + t.nmodch + read_then_write(t)
    return Kernel(cycles, macs=op, reads=1, writes=1, activates=1)


def _further_chunk(t: Timing, op: int) -> Kernel:
    cycles = t.nmodch + _then_mode(t, op) + t.nmodch + _open(t) + _then_mode(t, op)
    return Kernel(cycles, macs=op, writes=op, activates=1)


def multiply(t: Timing, g: Geometry, elements: int) -> Kernel:
    """EWMUL: of the four banks of a group two hold the operands, a third receives the products."""
    per_row = g.channels * g.bank_groups * g.row_elements
    rows = -(-elements // per_row)
    op = g.row_elements // g.lanes
    row = t.nrcdewmul + _then_mode(t, op) + t.ncwl + t.nwr + t.nrp
    return Kernel(2 * t.nmodch + rows * row, copies=rows * op, activates=rows)


def add(t: Timing, g: Geometry, elements: int) -> Kernel:
    """EWADD: the controller reads both operands, adds them and writes the sums."""
    bursts = -(-elements // (g.lanes * g.channels))
    return read(t, g, bursts) + read(t, g, bursts) + write(t, g, bursts)


def activate(t: Timing, g: Geometry, elements: int) -> Kernel:
    """AF: numbers written to the sum registers are looked up in a table, whose row stays open.

    One number in each bank at a time: register write | mode | look up | mode | register read.
    """
    rounds = -(-elements // g.outputs)
    once = 1 + t.nmodch + 1 + t.nmodch + read_then_write(t)
    cycles = t.nmodch + t.nrcdrdaf + rounds * once + t.nrtp + t.nrp
    return Kernel(cycles, copies=rounds, reads=rounds, writes=rounds, activates=1)


def read(t: Timing, g: Geometry, bursts: int) -> Kernel:
    """`bursts` from each channel to the host: open a row, then stream.

    Further rows are opened in other banks meanwhile, without delaying the stream.
    """
    cycles = t.nrcdrd + t.ncl + t.nbl + bursts * t.column
    return Kernel(cycles, reads=bursts, activates=_rows(g, bursts))


def write(t: Timing, g: Geometry, bursts: int) -> Kernel:
    """`bursts` from the host to each channel; the last row is closed at the end."""
    cycles = t.nrcdwr + bursts * t.column + t.ncwl + t.nbl + t.nwr + t.nrp
    return Kernel(cycles, writes=bursts, activates=_rows(g, bursts))


def _rows(g: Geometry, bursts: int) -> int:
    return -(-bursts * g.burst_bytes // g.row_bytes)


def _open(t: Timing) -> int:
    return t.nrp + t.nrcdrdmac


def _then_mode(t: Timing, op: int) -> int:
    return (op - 1) * t.column + 1


def read_then_write(t: Timing) -> int:
    return t.nclreg + t.nbl + 3 - t.ncwlreg + t.nwpre + 1


def refreshed(t: Timing, cycles: int) -> int:
    """`cycles` with refresh, which the simulator leaves out.

    Every nREFI the rows are closed for nRFC and opened again; a run that gets longer by that may
    meet further refreshes.
    """
    if not t.refresh:
        return cycles
    stall = t.nrfc + t.nrp + t.nrcdrdmac
    met = 0
    while (met + 1) * t.nrefi <= cycles + met * stall:
        met += 1
    return cycles + met * stall
