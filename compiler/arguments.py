"""What is wrong with the arguments of a compile from Python, said before anything is done.

The command line makes such arguments out of texts, which it has checked by itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import index
from os import PathLike, fspath
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from stagecut import backends
from stagecut.compiler.context import EFFORTS, Settings
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostModel, CostTable
from stagecut.compiler.ir.errors import FeedError, ShapeError, UsageError
from stagecut.compiler.ir.measured_machine import MeasuredMachine
from stagecut.compiler.ir.numbers import is_amount, is_count
from stagecut.compiler.ir.objective import THROUGHPUT, parse_objective
from stagecut.compiler.ir.state import DecodingOptions
from stagecut.passes.cluster.cluster import Granularity

#: What may be asked for: the model's own precision, others, or whatever there is.
Precision: TypeAlias = Literal["f32", "bf16", "int8", "int4", "auto"]

#: bf16 has 8 significant bits, of which deep models lose some; int8 weights are as far off.
USUAL_TOLERANCE = 0.05

#: What costs are for: single runs, or streams.
ProfileObjective: TypeAlias = Literal["latency", "throughput"]


def check_measuring(
    devices: object,
    feeds: object,
    granularity: object,
    settings: object = Settings(),
    decoding: object = DecodingOptions(),
) -> None:
    """Raises UsageError or FeedError for what a measurement cannot be made of."""
    _check_texts("devices", devices)
    _check_feeds(feeds)
    _check_choice("granularity", granularity, get_args(Granularity))
    if not isinstance(settings, Settings):
        raise _other("settings", settings, "Settings(...)")
    if not isinstance(decoding, DecodingOptions):
        raise _other("decoding", decoding, "DecodingOptions(...)")
    _check_choice("effort", settings.effort, EFFORTS)


def check_profile_objective(objective: object) -> None:
    """Raises UsageError for what costs cannot be measured for."""
    _check_choice("objective", objective, get_args(ProfileObjective))


def check_question(
    objective: object,
    pins: object,
    forbids: object,
    tolerance: object,
    max_energy_j: object,
    costs: object,
    precision: object = None,
) -> None:
    """Raises UsageError for what no plan can be asked for with."""
    if precision is not None:
        _check_choice("precision", precision, get_args(Precision))
    if not isinstance(objective, str):
        raise _other("objective", objective, "latency, energy, or weights for both")
    _check_texts("pins", pins)
    _check_texts("forbids", forbids)
    _check_amount("tolerance", tolerance)
    _check_amount("max_energy_j", max_energy_j)
    for given in costs.values() if isinstance(costs, Mapping) else [costs]:
        if given is not None and not isinstance(given, CostTable) and not callable(given):
            raise _other("costs", given, "a CostTable, such as read_costs returns, or makes one")


def lower_precision_of(tolerance: float | None, precision: str | None) -> str:
    """The devices of lower precision that are asked for: empty for none, AUTO for all."""
    if precision is None:
        return "" if tolerance is None else backends.AUTO
    return "" if precision == "f32" else precision


def tolerance_of(
    tolerance: float | None, precision: str | None, reference: object = None
) -> float | None:
    """What may be off where a precision was asked for, or the model was quantised by somebody, and
    nothing else was said."""
    lower = precision not in {None, "f32"} or reference is not None
    return USUAL_TOLERANCE if tolerance is None and lower else tolerance


def check_metric(
    metric: object,
    data: object,
    tolerance: float | None,
    objective: str,
    *,
    isolated: bool = False,
) -> None:
    """Raises UsageError for a metric without what it needs, and for data that nothing is asked
    of."""
    if (metric is None) != (data is None):
        raise UsageError(
            "a metric is of labelled samples, and these are for a metric",
            where="--data" if metric is None else "--metric",
            fix="give both: --metric package.module:function --data DATA.npz",
        )
    if metric is None:
        return
    if not isinstance(metric, str) and not callable(metric):
        raise _other("metric", metric, "package.module:function, or a function")
    if isolated and not isinstance(metric, str):
        raise UsageError(
            "a function cannot be handed to another process",
            where="metric",
            fix="name it: package.module:function, or leave isolated out",
        )
    if objective == str(THROUGHPUT):
        raise UsageError(
            "a metric is not for streams", where="--metric", fix="compile for latency or energy"
        )
    if tolerance is None:
        raise UsageError(
            "how much it may lose is yours to say",
            where="--metric",
            fix="add --tolerance 0.01, in the metric's own unit",
        )


def check_alone(costs: object) -> None:
    """Raises UsageError for costs that cannot be handed to another process."""
    for given in costs.values() if isinstance(costs, Mapping) else [costs]:
        if given is not None and not isinstance(given, CostTable):
            raise UsageError(
                "a function cannot be handed to another process",
                where="costs",
                fix="hand in the table that it makes, or leave isolated out",
            )


def check_named(reference: object) -> str | None:
    """Raises UsageError for a reference that cannot be handed to another process."""
    if reference is None or isinstance(reference, str | PathLike):
        return None if reference is None else fspath(reference)
    raise UsageError(
        f"a {type(reference).__name__} cannot be handed to another process",
        where="reference",
        fix="name its file, or leave isolated out",
    )


def table_of(costs: CostTable | CostModel, expanded: ExpandedGraph) -> CostTable:
    """The costs of this graph; raises UsageError where a function makes no table of it."""
    made: object = costs if isinstance(costs, CostTable) else costs(expanded)
    if not isinstance(made, CostTable):
        raise UsageError(f"it makes {made!r}", where="costs", fix="return a CostTable")
    return made


def check_stream(max_batch: Any, max_latency_s: object, max_memory_bytes: object) -> None:
    """Raises UsageError for limits that no stream can have."""
    if max_batch is not None and not is_count(max_batch, 1):
        raise _other("max_batch", max_batch, "a whole number, 1 or more")
    _check_amount("max_latency_s", max_latency_s)
    _check_amount("max_memory_bytes", max_memory_bytes)


def check_machine(
    machine: object, tables: Mapping[str, CostTable], objective: str, limits: Mapping[str, object]
) -> None:
    """Raises UsageError for what plans over several hosts are not made from, or not made for."""
    if machine is None:
        return
    if not isinstance(machine, MeasuredMachine):
        raise _other("machine", machine, "what read_machine makes of a machine.json")
    if tables:
        raise UsageError(
            "a cost table has its own machine",
            where="machine",
            fix="leave out the costs, which are then measured, or the machine",
        )
    goal = parse_objective(objective)
    if goal.per_j:
        raise UsageError(
            f"plans over several hosts are made for latency or throughput, not for {goal}",
            where="objective",
            fix="leave it out: energies are not known of other hosts",
        )
    for name, limit in limits.items():
        if limit is not None:
            raise UsageError(
                "streams over several hosts keep to no such limit",
                where=name,
                fix="leave it out, or compile for this host alone",
            )


def each_shape(shapes: object) -> tuple[dict[str, tuple[int, ...]], ...]:
    """A mapping for each variant; raises ShapeError for what is none of names to whole numbers."""
    if shapes is None or isinstance(shapes, Mapping):
        return (_sizes(shapes or {}),)
    if isinstance(shapes, str) or not isinstance(shapes, Iterable):
        raise _no_shapes(shapes)
    return tuple(map(_sizes, shapes)) or ({},)


def _sizes(shapes: object) -> dict[str, tuple[int, ...]]:
    if not isinstance(shapes, Mapping):
        raise _no_shapes(shapes)
    try:
        return {name: tuple(map(index, sizes)) for name, sizes in shapes.items()}
    except TypeError:
        raise _no_shapes(shapes) from None


def _no_shapes(given: object) -> ShapeError:
    return ShapeError(
        f"{given!r} is no shape of each input by name",
        where="shapes",
        fix="give whole numbers: {'ids': (1, 128)}, or a list of such mappings",
    )


def _check_texts(name: str, given: object) -> None:
    """None, or a list of texts; one text is a list of letters, and not meant. What can be read but
    once, or in any order, is none."""
    if given is None:
        return
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise _other(name, given, "a list of texts")
    for each in given:
        if not isinstance(each, str):
            raise _other(name, each, "a list of texts")


def _check_amount(name: str, given: object) -> None:
    if given is not None and not is_amount(given):
        raise _other(name, given, "a number that is not negative")


def _check_choice(name: str, given: object, choices: Sequence[object]) -> None:
    if given not in choices:
        raise _other(name, given, f"one of {', '.join(map(str, choices))}")


def _check_feeds(feeds: object) -> None:
    if feeds is None:
        return
    if not isinstance(feeds, Mapping):
        raise FeedError(
            f"they are a {type(feeds).__name__}", where="feeds", fix="give arrays by name"
        )
    for name, array in feeds.items():
        if not isinstance(array, np.ndarray | np.generic):
            raise FeedError(
                f"is a {type(array).__name__}, not a numpy array",
                where=f"input {name}",
                fix="use numpy.asarray",
            )


def _other(name: str, given: object, wanted: str) -> UsageError:
    return UsageError(f"it is {given!r}", where=name, fix=f"give {wanted}")
