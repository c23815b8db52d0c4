"""HiGHS at work in a thread of its own, so that whoever waits can watch it, and stop it.

    this thread      waits   told: 3.2 ms, bound 2.9 ms   Ctrl-C, or the watch has seen enough
                              ^                            v
    HiGHS            ...... callback ............. callback: stops, with the best point so far

Signals reach Python in its main thread only, and only between two of its instructions: called
directly, HiGHS would hold back Ctrl-C until it is done.
"""

from collections.abc import Mapping
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, TypeAlias

import highspy
import numpy as np
import numpy.typing as npt

from stagecut.passes.partition.milp.silence import SILENCE
from stagecut.passes.partition.milp.solver import Outcome, Point, Watch

if TYPE_CHECKING:
    from stagecut.passes.partition.milp.solver import IntegerProgram

Numbers: TypeAlias = npt.NDArray[Any]

#: How often the watch is told.
_TOLD_EVERY_S = 0.1

#: What no row is scaled beyond.
_LARGEST = 1e9

_Kind = highspy.cb.HighsCallbackType

#: Where HiGHS asks whether it should stop; in the last one, it has a better point.
_ASKED = (
    _Kind.kCallbackSimplexInterrupt,
    _Kind.kCallbackIpmInterrupt,
    _Kind.kCallbackMipInterrupt,
    _Kind.kCallbackMipImprovingSolution,
)

_NOTHING_FITS = (
    highspy.HighsModelStatus.kInfeasible,
    highspy.HighsModelStatus.kUnboundedOrInfeasible,
)


def row_scales(rows: Numbers, factors: Numbers, lower: Numbers) -> Numbers:
    """Of each row a power of 2, by which its smallest factor becomes at least 1 where its largest
    number has room for that.

    HiGHS keeps to rows within 1e-6, whatever they are about. Its presolve takes what is below 1e-5
    for nothing, and with rows of such factors (336 errors from 3e-6 to 0.09) does not always come
    to an end: it asks nobody there, and looks at no clock. Of 400 rows like that one, 11 kept it
    for ever, and of the same rows scaled, none.
    """
    smallest = np.full(len(lower), np.inf)
    largest = np.abs(lower)
    sizes = np.abs(factors)
    np.minimum.at(smallest, rows[sizes > 0], sizes[sizes > 0])
    np.maximum.at(largest, rows, sizes)
    smallest[np.isinf(smallest)] = 1.0
    wanted = np.ceil(-np.log2(smallest))
    room = np.floor(np.log2(_LARGEST / np.maximum(largest, smallest)))
    scales: Numbers = np.exp2(np.maximum(0.0, np.minimum(wanted, room)))
    return scales


class Highs:
    """One search for the cheapest point of `program`, its prices times `scale`."""

    def __init__(self, program: "IntegerProgram", scale: float, limit_s: float, gap: float) -> None:
        self._scale = scale
        self._point: Point | None = None
        self._bound = 0.0
        self._done = Event()
        self._stopping = False
        self._error: BaseException | None = None
        self._outcome = Outcome(None, 0.0, solved=False)
        with SILENCE:  # it introduces itself
            self._highs = highspy.Highs()  # type: ignore[no-untyped-call]
        self._highs.setOptionValue("output_flag", False)
        self._highs.setOptionValue("parallel", "off")
        self._highs.setOptionValue("time_limit", limit_s)
        self._highs.setOptionValue("mip_rel_gap", gap)
        self._hand_over(program)
        self._highs.setCallback(self._asked, None)
        for kind in _ASKED:
            self._highs.startCallback(kind)

    def begin_with(self, values: Mapping[int, float]) -> None:
        """Complete these values of some variables to a point, and search for better ones."""
        indices = np.array([*values], dtype=np.int32)
        with SILENCE:
            self._highs.setSolution(len(values), indices, np.array([*values.values()]))

    def run(self, watch: Watch) -> Outcome:
        """Search to the end, or until the watch ends it, or this thread is interrupted."""
        thread = Thread(target=self._work)  # no daemon: C++ must not outlive Python
        with SILENCE:
            thread.start()
            try:
                self._look_on(watch)
            finally:
                self._stopping = True
                thread.join()
        if self._error is not None:
            raise self._error
        return self._outcome

    def _look_on(self, watch: Watch) -> None:
        seen: Point | None = None
        while not self._done.wait(_TOLD_EVERY_S):
            point = self._point
            if not watch(None if point is seen else point, self._bound):
                return
            seen = point

    def _work(self) -> None:
        try:
            self._highs.run()
            self._outcome = self._read()
            self._let_go()
        except BaseException as error:  # whoever waits is told
            self._error = error
        finally:
            self._done.set()

    def _asked(
        self,
        kind: highspy.cb.HighsCallbackType,
        message: str,
        found: highspy.cb.HighsCallbackOutput,
        wish: highspy.cb.HighsCallbackInput,
        user: object,
    ) -> None:
        """Called by HiGHS, in its thread."""
        del message, user
        if kind == _Kind.kCallbackMipImprovingSolution:
            self._point = np.array(found.mip_solution)  # of HiGHS's own memory
        if kind == _Kind.kCallbackMipInterrupt:
            self._bound = max(self._bound, found.mip_dual_bound / self._scale)
        wish.user_interrupt = self._stopping

    def _hand_over(self, program: "IntegerProgram") -> None:
        rows, columns, factors = (np.array(each) for each in zip(*program.entries, strict=True))
        starts = np.searchsorted(rows, np.arange(len(program.lower)))  # rows came one by one
        scales = row_scales(rows, factors, np.array(program.lower))
        self._highs.passModel(
            len(program.prices),
            len(program.lower),
            len(factors),
            int(highspy.MatrixFormat.kRowwise),
            int(highspy.ObjSense.kMinimize),
            0.0,
            self._scale * np.array(program.prices),
            np.zeros(len(program.prices)),
            np.array(program.upper),
            scales * program.lower,
            np.full(len(program.lower), highspy.kHighsInf),
            starts.astype(np.int32),
            columns.astype(np.int32),
            scales[rows] * factors,
            np.array(program.whole, dtype=np.int32),
        )

    def _let_go(self) -> None:
        """HiGHS holds its callbacks in C++, where the collector does not find what holds it."""
        self._highs.disableCallbacks()  # type: ignore[no-untyped-call]
        self._highs.callbacks = []
        self._highs.clear()

    def _read(self) -> Outcome:
        status = self._highs.getModelStatus()
        if status in _NOTHING_FITS:
            return Outcome(None, np.inf, solved=True)
        info = self._highs.getInfo()
        solved = status == highspy.HighsModelStatus.kOptimal
        feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        point = np.array(self._highs.getSolution().col_value) if feasible else None
        return Outcome(point, max(0.0, info.mip_dual_bound / self._scale), solved)
