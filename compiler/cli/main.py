"""The `stagecut` command: gathers the commands, and turns errors into exit codes.

0 done, 1 the input is bad or the plan cannot be made, 2 wrong usage, 130 interrupted.
"""

import signal
import sys
from types import FrameType

import typer

from stagecut.compiler.cli import (
    compile_command,
    devices_command,
    diff_command,
    estimate_command,
    partition_command,
    profile_command,
    report_command,
    run_command,
)
from stagecut.compiler.ir.errors import StagecutError, UsageError
from stagecut.compiler.measure.supervisor import survive_crashes

app = typer.Typer(
    name="stagecut",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""
    Decide where each part of a neural network runs, prove it, and run it.

    A first round, with a model from the built-in zoo:

      stagecut compile zoo:bert-small -o bert.plan
      stagecut run bert.plan --random 0
      stagecut report bert.plan
    """,
)

app.command("compile")(compile_command.compile_)
app.command("run")(run_command.run)
app.command("report")(report_command.report)
app.command("diff")(diff_command.diff)
app.command("profile")(profile_command.profile)
app.command("partition")(partition_command.partition)
app.command("devices")(devices_command.devices)
app.command("estimate")(estimate_command.estimate)


@app.callback(invoke_without_command=True)
def _options(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"stagecut {installed('stagecut')}")
        raise typer.Exit


class _Stopped(BaseException):
    """A signal asked the process to stop; as an exception, so that everything is cleaned up."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # a handler's signature
    raise _Stopped(number)


def main() -> None:
    """The `stagecut` command: engines are measured in a process of their own, which may crash."""
    _run(survives=sys.argv[1:2] in (["compile"], ["profile"]))


def run_here() -> None:
    """Run the command line in this process; never shows a traceback for what the user can mend."""
    _run(survives=False)


def _run(*, survives: bool) -> None:
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    try:
        app(obj=survive_crashes() if survives else None)
    except _Stopped as stopped:
        print("stopped", file=sys.stderr)  # noqa: T201
        sys.exit(stopped.exit_code)
    except StagecutError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2 if isinstance(error, UsageError) else 1)


if __name__ == "__main__":
    main()
