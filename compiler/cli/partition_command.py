"""`stagecut partition`: solve a cost table, wherever it comes from."""

import fnmatch
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stagecut.compiler.cli import limits
from stagecut.compiler.cli import options as common
from stagecut.compiler.cli import output as output_of
from stagecut.compiler.cli.outputs import check_outputs
from stagecut.compiler.cli.tables import Given
from stagecut.compiler.ir.collector import keep_to_the_end, resting_collector
from stagecut.compiler.ir.errors import UsageError

if TYPE_CHECKING:
    from stagecut.compiler.ir.costs import CostTable
    from stagecut.compiler.ir.stream_certificate import Limit
    from stagecut.passes.partition.baselines.methods import Method

#: Those of passes/partition/baselines/methods.py, which is loaded only when a command runs.
METHODS = ("optimal", "milp", "chain", "greedy", "priority", "single")

#: So many nodes take a tenth of a second and more to be freed.
_MANY = 100_000


@resting_collector()  # a table may have a million nodes, and nothing here makes cycles of them
def partition(
    costs: Annotated[
        Path,
        typer.Argument(
            metavar="COSTS",
            help="A cost table, such as `profile` writes, or a plan, for its own; of a "
            "decoder that of its step.",
        ),
    ],
    method: Annotated[
        str,
        typer.Option(
            metavar="|".join((*METHODS, "all")),
            help="The method that assigns the nodes; all: each of them, side by side.",
        ),
    ] = "optimal",
    objective: Annotated[
        str,
        typer.Option(
            metavar="latency|energy|latency=A,energy=B|throughput",
            help="What is minimised: time, energy, or A for each second plus B for each joule. "
            "throughput: as many inputs a second as can be, by stages, batches and replicas.",
        ),
    ] = "latency",
    pin: common.PinOption = None,
    forbid: common.ForbidOption = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            "--device",
            metavar="NAME",
            help="For --method priority: the devices, best first. For single: the one.",
        ),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(
            metavar="ASSIGNMENT.json",
            help="Verify this assignment instead, and say how far it is from the optimum; "
            "with --objective throughput, a stream and its certificate, in a file or in a plan.",
        ),
    ] = None,
    max_energy: limits.MaxEnergyOption = None,
    max_latency: limits.MaxLatencyOption = None,
    max_memory: limits.MaxMemoryOption = None,
    front: Annotated[
        bool,
        typer.Option(
            "--front",
            help="For streams: every trade of throughput for latency that is worth it, in steps of "
            "1% of latency.",
        ),
    ] = False,
    explain: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NODE",
            help="Say what the best plan would cost with this node on each device; "
            "a pattern such as 'MatMul*' for several.",
        ),
    ] = None,
    length: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Of costs by length, behind how many tokens the decode step lies."
        ),
    ] = None,
    time_limit: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            help="How long HiGHS may search where elimination is not enough.",
            min=0.0,
        ),
    ] = 60.0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the assignment here, as JSON.")
    ] = None,
    json: common.JsonOption = False,
) -> None:
    """Decide where and in which order the nodes of a cost table run, and prove how good that is.

    The certificate says what is proved, and about what: all schedules, or those in one order.

      stagecut partition costs.json --method all
      stagecut partition costs.json --pin 'MatMul*=pim' --objective latency=1,energy=0.5
      stagecut partition costs.json --explain encoder/add
      stagecut partition costs.json --check theirs.json --json
      stagecut partition costs.json --objective throughput --max-latency 50ms --max-memory 2GiB
      stagecut partition steps.json --length 700
    """
    from stagecut.compiler.cli import partition_output as says
    from stagecut.compiler.cli.searching import Searching
    from stagecut.compiler.formats.assignment_json import read_assignment
    from stagecut.compiler.ir.objective import parse_objective
    from stagecut.passes.partition.baselines import methods
    from stagecut.passes.partition.check import Check
    from stagecut.passes.partition.explain import Explain

    chosen = common.one_of(method, (*METHODS, "all"), "--method")
    streams = objective == "throughput"
    _refuse_two_questions(chosen, check, explain, output)
    check_outputs({"--output": output}, (costs, check))
    if streams:
        _refuse_for_streams(chosen, explain)
    limits.for_streams(max_latency, "--max-latency", objective)
    limits.for_streams(max_memory, "--max-memory", objective)
    limits.for_streams(front or None, "--front", objective)
    asked = limits.stream_limits(max_latency, max_memory, max_energy if streams else None)
    if check is not None and (asked or front):
        raise UsageError(
            "the file says what limits its proof is about",
            where="--check",
            fix="leave --max-latency, --max-memory, --max-energy and --front out",
        )
    goal = parse_objective("latency" if streams else objective)
    if streams and check is not None:
        _check_streams(costs, check, pin, forbid, json)
        return
    given = Given.read(costs)
    if check is not None and (given if check == costs else Given.read(check)).variant is not None:
        raise UsageError(
            "is a plan, whose proof is about streams",
            where=f"--check {check}",
            fix="add --objective throughput; or give an assignment, as JSON",
        )
    if check is not None and not pin and not forbid:
        pin, forbid = given.rules  # what a plan's proof is about
    restrict = common.read_rules(pin, forbid)
    whole = _kept(given.table(length))
    table = _kept(_limited(restrict(whole), max_energy))
    for loose in restrict.loose_pins(whole):
        output_of.note(loose)
    if streams:
        _partition_stream(table, asked, front, output, json)
        return
    searching = Searching(goal)
    if explain:
        bars = output_of.progress_bars()
        reasons = Explain(_matching(table, explain), goal, time_limit, searching, bars)(table)
        _print(json, lambda: says.alternatives_document(reasons), says.alternatives_lines(reasons))
        return
    with searching:
        if chosen == "all":
            solved = [*methods.every_method(table, goal, time_limit, searching)]
            _print(json, lambda: says.methods_document(table, solved), says.methods_lines(solved))
        elif check is not None:
            _solve(Check(read_assignment(check), goal, time_limit, searching), table, output, json)
        else:
            made = methods.METHODS[chosen](goal, time_limit, device or [], searching)
            _solve(made, table, output, json)
    searching.exit_if_stopped()


def _solve(method: "Method", table: "CostTable", output: Path | None, json: bool) -> None:
    from stagecut.compiler.cli import partition_output as says
    from stagecut.passes.partition.baselines import methods

    solution, solve_s = methods.timed(method, table)
    _write(output, dict(solution.assignment.devices))
    _print(
        json,
        lambda: says.solution_document(table, solution, solve_s),
        says.solution_lines(table, solution, solve_s),
    )


def _partition_stream(
    table: "CostTable",
    asked: "tuple[Limit, ...]",
    front: bool,
    output: Path | None,
    json: bool,
) -> None:
    from stagecut.compiler.cli import partition_hosts, partition_stream
    from stagecut.compiler.formats import hosts_stream_json
    from stagecut.compiler.formats.stream_json import FRONT_SCHEMA, SCHEMA

    over_hosts = partition_hosts.has_hosts(table)
    schema = hosts_stream_json.SCHEMA if over_hosts else FRONT_SCHEMA if front else SCHEMA
    if front and over_hosts:
        raise partition_hosts.refuse("--front")
    if over_hosts:
        document, lines = partition_hosts.solved(table, asked)
    elif front:
        document, lines = partition_stream.front(table, asked)
    else:
        document, lines = partition_stream.solved(table, asked)
    _write(output, {"schema": schema, **document})
    _print(json, lambda: document, lines, schema)


def _check_streams(
    costs: Path, check: Path, pin: list[str] | None, forbid: list[str] | None, json: bool
) -> None:
    """A plan by itself: all its variants, each by its own costs and the rules that it was made by,
    unless there are others."""
    from stagecut.compiler.cli import check_hosts_stream, check_stream, partition_hosts
    from stagecut.compiler.formats import hosts_stream_json, stream_json

    pairs = []
    for given in Given.every(costs) if check == costs else [Given.read(costs)]:
        rules = (pin, forbid) if pin or forbid else given.rules
        table = given.table()
        if (pin or forbid) or not _has_batches(table):
            table = common.read_rules(*rules)(table)
        pairs.append((table, given if check == costs else Given.read(check)))
    over_hosts = partition_hosts.has_hosts(pairs[0][0])
    checked = check_hosts_stream.checked if over_hosts else check_stream.checked
    schema = hosts_stream_json.SCHEMA if over_hosts else stream_json.SCHEMA
    document, lines = checked(pairs)
    _print(json, lambda: document, lines, schema)


def _has_batches(table: "CostTable") -> bool:
    """Such a table was made of one that its rules had been applied to."""
    return any(device.batch > 1 for device in table.machine.devices)


def _refuse_for_streams(method: str, explain: list[str] | None) -> None:
    asked = {
        f"--method {method}": method != "optimal",
        "--explain": bool(explain),
    }
    for option, is_asked in asked.items():
        if is_asked:
            raise UsageError(
                f"{option} is not for streams",
                where="--objective throughput",
                fix="leave it out",
            )


def _kept(table: "CostTable") -> "CostTable":
    if len(table.nodes) > _MANY:
        keep_to_the_end(table)
    return table


def _limited(table: "CostTable", max_energy: str | None) -> "CostTable":
    from stagecut.compiler.ir.costs import with_energy_limit

    return (
        table if max_energy is None else with_energy_limit(table, limits.parse_joules(max_energy))
    )


def _print(
    json: bool,
    document: Callable[[], Mapping[str, object]],
    lines: Iterable[str],
    schema: str = "stagecut.partition/1",
) -> None:
    if json:
        output_of.print_json(schema, document())
    else:
        output_of.say(*lines)


def _write(output: Path | None, document: Mapping[str, object]) -> None:
    from stagecut.compiler.formats.atomic import replacing

    if output is not None:
        with replacing(output) as temporary:
            temporary.write_text(output_of.json_text(document), "utf-8")


def _refuse_two_questions(
    method: str, check: Path | None, explain: list[str] | None, output: Path | None
) -> None:
    asked = {
        "--method": method != "optimal",
        "--check": check is not None,
        "--explain": bool(explain),
    }
    several = " and ".join(option for option, is_asked in asked.items() if is_asked)
    if " and " in several:
        raise UsageError(f"{several} are different questions", fix="ask one at a time")
    if output is not None and (method == "all" or check is not None or explain):
        raise UsageError(
            "only one method's own assignment can be written",
            where="--output",
            fix="leave --output out, or name the method",
        )


def _matching(table: "CostTable", patterns: list[str]) -> tuple[str, ...]:
    """The nodes that are meant; a pattern that matches none is kept, to be refused by name."""
    names = dict.fromkeys(node.name for node in table.nodes)
    asked: dict[str, None] = {}
    for pattern in patterns:
        matching = [pattern] if pattern in names else fnmatch.filter(names, pattern)
        asked |= dict.fromkeys(matching or [pattern])
    return tuple(asked)
