"""Claim: a device answers as ONNX has it, in every operator, version, attribute and type that it
takes.

    python -m benchmarks.operators [--device openvino.f32] [--op Softmax] [--open] [--json FILE]

Thousands of small cases, generated from ONNX's own schemas (tests/support/operators), each run as a
stage of one node, and compared with ONNX's reference evaluator and ONNX Runtime without
optimisations. Where these two disagree, or neither runs, nothing is proved about the device. Each
case runs in a child process, so that an engine that crashes or hangs is a finding, too. With
`--open`, the stages do not know the sizes of their inputs.

Prints counts by operator, and what is wrong by kind. Exit code 1 where anything is.
"""

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.operator_pool import Task, run
from benchmarks.support import describe_machine
from tests.support.operators.forms import FORMS, LEFT_OUT, cases_of
from tests.support.operators.verdict import Verdict

#: Every so many cases of all operators come first, so that what is wrong shows early.
_APART = 16

_FAULTS = ("wrong", "error", "crash")
_COLUMNS = ("void", "refused", "right", "not finite", "explained", "unproven", *_FAULTS)


@dataclass(frozen=True, slots=True)
class Finding:
    """One verdict on one case, as `--json` has it."""

    op: str
    version: int
    case: str
    types: str
    verdict: Verdict


def main() -> None:
    options = _arguments()
    print(describe_machine())
    tasks = sorted(_tasks(options), key=lambda task: task.index % _APART)
    print(f"{options.device}: {len(tasks)} cases of {len({task.op for task in tasks})} operators")
    findings: list[Finding] = []
    with options.json.open("w") if options.json else nullcontext() as file:
        for task, verdicts in run(tasks, options.device, options.processes):
            for finding in _findings(task, verdicts):
                findings.append(finding)
                if file:
                    print(json.dumps(asdict(finding)), file=file, flush=True)
    findings.sort(key=lambda each: (each.op, each.version, each.case))
    _print_counts(findings)
    _print_faults(findings)
    sys.exit(any(each.verdict.outcome in _FAULTS for each in findings))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="openvino.f32.serial")
    parser.add_argument("--op", default="", help="these operators only, separated by commas")
    parser.add_argument("--every", type=int, default=1, help="each N-th case only")
    parser.add_argument("--open", action="store_true", help="without the sizes of inputs")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write each verdict, a line each")
    return parser.parse_args()


def _tasks(options: argparse.Namespace) -> Iterator[Task]:
    asked = options.op.split(",") if options.op else sorted(FORMS)
    unknown = [op for op in asked if op not in FORMS]
    if unknown:
        left_out = LEFT_OUT.get(unknown[0])
        sys.exit(f"{unknown[0]} is not asked: {left_out or 'there is no such operator'}")
    for op in asked:
        for index in range(0, len(cases_of(op)), options.every):
            yield Task(op, index, options.open)


def _findings(task: Task, verdicts: Sequence[Verdict]) -> Iterator[Finding]:
    case = cases_of(task.op)[task.index]
    types = " ".join("-" if each is None else each.dtype for each in case.operands)
    for verdict in verdicts:
        yield Finding(case.op, case.version, str(case), types, verdict)


def _print_counts(findings: Iterable[Finding]) -> None:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for each in findings:
        counts[each.op][each.verdict.outcome] += 1
        counts["all"][each.verdict.outcome] += 1
    print(f"{'operator':28}" + "".join(f"{name:>11}" for name in _COLUMNS))
    for op, counted in counts.items():
        if op != "all":
            print(f"{op:28}" + "".join(f"{counted[name] or '':>11}" for name in _COLUMNS))
    print(f"{'all':28}" + "".join(f"{counts['all'][name]:>11}" for name in _COLUMNS))


def _print_faults(findings: Iterable[Finding]) -> None:
    """Those of one operator, version, types and data together, with one of them."""
    kinds: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    for each in findings:
        verdict = each.verdict
        if verdict.outcome in _FAULTS:
            kind = (verdict.outcome, f"{each.op}-{each.version}", each.types, verdict.data)
            kinds[kind].append(each)
    for (outcome, name, types, data), alike in kinds.items():
        first = alike[0]
        print(f"{outcome} {len(alike):4} {name} ({types}) {data}: {first.verdict.reason}")
        print(f"           {first.case}")


if __name__ == "__main__":
    main()
