"""A schedule: stages, and the steps of a run in the order in which they happen.

Two stages in two memories, the first one's output read by the second, as text:

    run cpu.serial: embed, norm
    transfer norm: host > pim.hbm
    run pim.hbm: up, relu
    transfer relu: pim.hbm > host
    run cpu.serial: head

and drawn:

    cpu.serial    |embed norm|                     |head|
    host>pim.hbm             |norm|
    pim.hbm                       |up relu|
    pim.hbm>host                          |relu|

It is what is priced, proved, stored, executed and reported.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, repeat
from typing import TypeAlias

from stagecut.compiler.ir.errors import ScheduleError
from stagecut.compiler.ir.machine import Route
from stagecut.compiler.ir.text import html_table


@dataclass(frozen=True, slots=True)
class Stage:
    """Nodes that run as one program on one device, in this order. Known by its index."""

    device: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """Run a stage, by its index."""

    stage: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """Hand a value from one memory, which has it, straight to another, which has not."""

    value: str
    route: Route


Step: TypeAlias = Run | Transfer


@dataclass(frozen=True)
class Schedule:
    """`steps` run every stage once, in the order of `stages`, and transfer a value into a memory
    at most once. Raises ScheduleError for anything else.

    Whether it is right for a model (every node runs, and reads what is there) only a cost table
    can say: `ir/account.py`.
    """

    stages: tuple[Stage, ...]
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        runs = [step.stage for step in self.steps if isinstance(step, Run)]
        if runs != list(range(len(self.stages))):
            raise ScheduleError(
                f"the steps run the stages {runs[:8]}, and there are {len(self.stages)}",
                fix="run every stage once, in its order",
            )
        arrivals = [(step.value, step.route.target) for step in self.transfers]
        if len(set(arrivals)) < len(arrivals):
            value, target = next(each for each, count in Counter(arrivals).items() if count > 1)
            raise ScheduleError(
                f"is transferred into {target} twice",
                where=f"value {value}",
                fix="once is enough: it stays there",
            )

    @property
    def transfers(self) -> Iterator[Transfer]:
        return (step for step in self.steps if isinstance(step, Transfer))

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The nodes in the order in which they run."""
        return tuple(chain.from_iterable([stage.nodes for stage in self.stages]))

    @cached_property
    def devices(self) -> tuple[str, ...]:
        """The device of each node of `order`."""
        each = [repeat(stage.device, len(stage.nodes)) for stage in self.stages]
        return tuple(chain.from_iterable(each))

    @cached_property
    def stage_of(self) -> dict[str, int]:
        """The stage of each node."""
        return {node: index for index, stage in enumerate(self.stages) for node in stage.nodes}

    @cached_property
    def device_of(self) -> dict[str, str]:
        """The device of each node, in the order in which they run."""
        return dict(zip(self.order, self.devices, strict=True))

    @cached_property
    def waiting(self) -> tuple[int | None, ...]:
        """For each step the stage that runs next, itself included; None behind the last one."""
        following: int | None = None
        found: list[int | None] = []
        for step in reversed(self.steps):
            following = step.stage if isinstance(step, Run) else following
            found.append(following)
        return tuple(reversed(found))

    def __str__(self) -> str:
        return "\n".join(map(self._line, self.steps))

    def _repr_html_(self) -> str:
        """For notebooks: the steps of a run, in their order."""
        rows = [self._cells(step) for step in self.steps]
        caption = f"{len(self.stages):,} stages, {len(rows) - len(self.stages):,} transfers"
        return html_table(caption, ("step", "where", "what"), rows)

    def _cells(self, step: Step) -> tuple[str, str, str]:
        if isinstance(step, Transfer):
            return "transfer", " > ".join(step.route), step.value
        stage = self.stages[step.stage]
        return "run", stage.device, ", ".join(stage.nodes)

    def _line(self, step: Step) -> str:
        if isinstance(step, Transfer):
            source, target = map(_word, step.route)
            return f"transfer {_word(step.value)}: {source} > {target}"
        stage = self.stages[step.stage]
        return f"run {_word(stage.device)}: {', '.join(map(_word, stage.nodes))}"

    @classmethod
    def parse(cls, text: str) -> "Schedule":
        """What `str` writes; raises ScheduleError, with the line, for what is none."""
        stages: list[Stage] = []
        steps: list[Step] = []
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip():
                continue
            match _words(line, number):
                case ["transfer", value, ":", source, ">", target]:
                    steps.append(Transfer(value, Route(source, target)))
                case ["run", device, ":", *nodes]:
                    steps.append(Run(len(stages)))
                    stages.append(Stage(device, tuple(_listed(nodes, number))))
                case _:
                    raise _unreadable(line, number)
        return cls(tuple(stages), tuple(steps))


#: A name that needs no quotes, a quoted one, or a mark between names.
_TOKEN = re.compile(r'\s*(?:([^\s",:>]+(?::[^\s",:>]+)*)|("(?:[^"\\]|\\.)*")|([:,>]))')
_PLAIN = re.compile(r'[^\s",:>]+(?::[^\s",:>]+)*')


def _word(name: str) -> str:
    """A name as it stands in the text: in quotes where it might be taken for something else."""
    return name if _PLAIN.fullmatch(name) and name.isprintable() else json.dumps(name)


def _words(line: str, number: int) -> list[str]:
    words: list[str] = []
    at = 0
    line = line.rstrip()
    while at < len(line):
        match = _TOKEN.match(line, at)
        if match is None:
            raise _unreadable(line, number)
        plain, quoted, mark = match.groups()
        try:
            words.append(plain or mark or json.loads(quoted))
        except json.JSONDecodeError:
            raise _unreadable(line, number) from None
        at = match.end()
    return words


def _listed(words: Sequence[str], number: int) -> Iterable[str]:
    if any(word != "," for word in words[1::2]) or len(words) % 2 != 1:
        raise _unreadable(" ".join(words), number)
    return words[::2]


def _unreadable(line: str, number: int) -> ScheduleError:
    return ScheduleError(
        f"{line.strip()!r} is no step of a schedule",
        where=f"line {number}",
        fix="write `run DEVICE: NODE, NODE` or `transfer VALUE: SOURCE > TARGET`",
    )
