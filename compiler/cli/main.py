"""The `stagecut` command: gathers the commands, and turns errors into exit codes.

0 done, 1 the input is bad or the plan cannot be made, 2 wrong usage, 130 interrupted.
"""

import signal
import sys
from collections.abc import Callable
from pathlib import Path

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
from stagecut.compiler.ir.stop import Stopped, stop
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


def main() -> None:
    """The `stagecut` command: engines are called in a process of their own, which may crash."""
    survives = sys.argv[1:2] in (["compile"], ["profile"], ["devices"])
    _run(lambda: survive_crashes(_exit_code) if survives else _exit_code(None))


def run_here() -> None:
    """Run the command line in this process; never shows a traceback for what the user can mend."""
    _run(lambda: _exit_code(None))


def _run(command: Callable[[], int]) -> None:
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    try:
        sys.exit(_told(command))
    except Stopped as stopped:
        print("stopped", file=sys.stderr)  # noqa: T201
        sys.exit(stopped.exit_code)


def _exit_code(notes: Path | None) -> int:
    """That of the command line; `notes` is a folder that survives a crash of this process."""
    return _told(lambda: _command(notes))


def _command(notes: Path | None) -> int:
    try:
        app(obj=notes)
    except SystemExit as done:  # what every command ends with
        return done.code if isinstance(done.code, int) else 0
    return 0


def _told(command: Callable[[], int]) -> int:
    """The exit code of `command`, which is told what is wrong with it."""
    try:
        return command()
    except StagecutError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2 if isinstance(error, UsageError) else 1


if __name__ == "__main__":
    main()
