"""A schedule reads as it is drawn, parses back, and refuses what is none."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.ir.errors import ScheduleError
from stagecut.compiler.ir.machine import Route
from stagecut.compiler.ir.schedule import Run, Schedule, Stage, Transfer

#: Two stages in two memories, the first one's output read by the second.
#:
#:     cpu.serial    |embed norm|                     |head|
#:     host>pim.hbm             |norm|
#:     pim.hbm                       |up relu|
#:     pim.hbm>host                          |relu|
TEXT = """\
run cpu.serial: embed, norm
transfer norm: host > pim.hbm
run pim.hbm: up, relu
transfer relu: pim.hbm > host
run cpu.serial: head"""

DRAWN = Schedule(
    (
        Stage("cpu.serial", ("embed", "norm")),
        Stage("pim.hbm", ("up", "relu")),
        Stage("cpu.serial", ("head",)),
    ),
    (
        Run(0),
        Transfer("norm", Route("host", "pim.hbm")),
        Run(1),
        Transfer("relu", Route("pim.hbm", "host")),
        Run(2),
    ),
)


def test_it_reads_as_it_is_drawn() -> None:
    assert str(DRAWN) == TEXT
    assert Schedule.parse(TEXT) == DRAWN


def test_what_it_says_of_its_nodes() -> None:
    assert DRAWN.order == ("embed", "norm", "up", "relu", "head")
    assert DRAWN.stage_of == {"embed": 0, "norm": 0, "up": 1, "relu": 1, "head": 2}
    assert DRAWN.devices == ("cpu.serial", "cpu.serial", "pim.hbm", "pim.hbm", "cpu.serial")
    assert DRAWN.device_of["up"] == "pim.hbm"
    assert [transfer.value for transfer in DRAWN.transfers] == ["norm", "relu"]


def test_what_each_step_waits_for() -> None:
    handed_back = Schedule.parse("transfer x: host > pim\nrun pim: a\ntransfer a: pim > host")
    assert DRAWN.waiting == (0, 1, 1, 2, 2)
    assert handed_back.waiting == (0, 0, None)


def test_blank_lines_and_blanks_around_do_not_count() -> None:
    spaced = "\n\n  run cpu :a ,b\n\n transfer  a : host>pim \n"
    assert str(Schedule.parse(spaced)) == "run cpu: a, b\ntransfer a: host > pim"


QUOTED = {
    "a colon inside needs none": ("Gemm:0", "Gemm:0"),
    "a colon at the end": ("x:", '"x:"'),
    "an arrow": ("a>b", '"a>b"'),
    "a comma": ("a,b", '"a,b"'),
    "a blank": ("a b", '"a b"'),
    "a quote": ('a"b', r'"a\"b"'),
    "a line end": ("a\nb", r'"a\nb"'),
    "a no-break space": ("a\u00a0b", r'"a\u00a0b"'),
    "nothing": ("", '""'),
    "what looks like a step": ("run", "run"),
    "a backslash": ("a\\n", "a\\n"),
    "letters of the world": ("größe", "größe"),
}


@pytest.mark.parametrize(("name", "text"), QUOTED.values(), ids=QUOTED.keys())
def test_names_that_might_be_misread_are_quoted(name: str, text: str) -> None:
    schedule = Schedule((Stage(name, (name, "b")),), (Run(0), Transfer(name, Route(name, "m"))))
    assert str(schedule) == f"run {text}: {text}, b\ntransfer {text}: {text} > m"
    assert Schedule.parse(str(schedule)) == schedule


#: Letters, what stands between names, and whatever else there is.
NAMES = st.text(st.one_of(st.sampled_from("ab,:> \"'\\\n\r\t\u2028\u0085"), st.characters()))


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    stages = draw(
        st.lists(
            st.builds(Stage, NAMES, st.lists(NAMES, min_size=1, max_size=3).map(tuple)), max_size=4
        )
    )
    moved = st.builds(Transfer, NAMES, st.builds(Route, NAMES, NAMES))
    steps: list[Run | Transfer] = []
    for index in range(len(stages)):
        steps += [*draw(st.lists(moved, max_size=2)), Run(index)]
    steps += draw(st.lists(moved, max_size=2))
    arrived: dict[object, Run | Transfer] = {}
    for step in steps:
        key = (step.value, step.route.target) if isinstance(step, Transfer) else step
        arrived.setdefault(key, step)
    return Schedule(tuple(stages), tuple(arrived.values()))


@given(schedules())
def test_every_schedule_parses_back(schedule: Schedule) -> None:
    assert Schedule.parse(str(schedule)) == schedule


UNREADABLE = {
    "no step": ("walk cpu: a", 1),
    "no device": ("run : a", 1),
    "no node": ("run cpu:", 1),
    "a comma too many": ("run cpu: a,, b", 1),
    "a comma at the end": ("run cpu: a,", 1),
    "nodes without commas": ("run cpu: a b", 1),
    "no target": ("run cpu: a\ntransfer a: host", 2),
    "no value": ("\nrun cpu: a\ntransfer : host > pim", 3),
    "three memories": ("transfer a: host > pim > npu", 1),
    "a quote that is not closed": ('run cpu: "a', 1),
    "an escape that is none": ('run cpu: "\\q"', 1),
}


@pytest.mark.parametrize(("text", "line"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_is_no_schedule_is_refused_by_its_line(text: str, line: int) -> None:
    with pytest.raises(ScheduleError, match="no step of a schedule") as error:
        Schedule.parse(text)
    assert error.value.where == f"line {line}"
    assert error.value.fix


@given(st.text(st.one_of(st.sampled_from('runtansfe :,>"\\\n'), st.characters()), max_size=30))
def test_no_text_is_a_traceback(text: str) -> None:
    with suppress(ScheduleError):
        Schedule.parse(text)


def test_stages_run_once_and_in_their_order() -> None:
    stages = DRAWN.stages
    for steps in ((Run(0), Run(1)), (Run(1), Run(0), Run(2)), (Run(0), Run(1), Run(1), Run(2))):
        with pytest.raises(ScheduleError, match="and there are 3"):
            Schedule(stages, steps)


def test_a_value_is_transferred_into_a_memory_once() -> None:
    text = "transfer x: host > pim\ntransfer x: npu > pim"
    with pytest.raises(ScheduleError, match="into pim twice") as error:
        Schedule.parse(text)
    assert error.value.where == "value x"


def test_a_notebook_shows_the_steps() -> None:
    shown = Schedule.parse("run cpu: a, b\ntransfer b: host > pim\nrun pim: c")._repr_html_()
    assert "<caption>2 stages, 1 transfers</caption>" in shown
    assert "<tr><td>run</td><td>cpu</td><td>a, b</td></tr>" in shown
    assert "<tr><td>transfer</td><td>host &gt; pim</td><td>b</td></tr>" in shown
