"""The commands, gathered; each imports what is heavy when it runs."""

from collections.abc import Callable
from functools import wraps

import typer

from stagecut.compiler.cli import (
    bench_command,
    compile_command,
    devices_command,
    diff_command,
    estimate_command,
    generate_command,
    hosts_command,
    import_costs_command,
    partition_command,
    profile_command,
    report_command,
    run_command,
    sweep_command,
)
from stagecut.compiler.cli.output import say
from stagecut.compiler.cli.streams import RESULTS
from stagecut.compiler.ir.errors import EngineError, named
from stagecut.compiler.ir.stop import asks_to_stop

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


def _add(name: str, command: Callable[..., None]) -> None:
    """Its results go apart from what engines and plugins print, to the end of the process."""

    @wraps(command)
    def apart(**given: object) -> None:
        RESULTS.part()
        try:
            command(**{name: RESULTS.place(value) for name, value in given.items()})
        except (SystemExit, KeyboardInterrupt) as error:  # of code that was called, not of ours
            if asks_to_stop(error):
                raise
            raise EngineError(
                f"code that it called wanted to end it: {named(error)}",
                where=f"stagecut {name}",
                fix="look at plugins of devices, and at the model's own code",
            ) from error

    app.command(name)(apart)


_add("compile", compile_command.compile_)
_add("run", run_command.run)
_add("generate", generate_command.generate)
_add("bench", bench_command.bench)
_add("report", report_command.report)
_add("diff", diff_command.diff)
_add("profile", profile_command.profile)
_add("partition", partition_command.partition)
_add("import-costs", import_costs_command.import_costs)
_add("sweep", sweep_command.sweep)
_add("devices", devices_command.devices)
_add("hosts", hosts_command.hosts)
_add("estimate", estimate_command.estimate)


@app.callback(invoke_without_command=True)
def _options(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        from importlib.metadata import version as installed

        say(f"stagecut {installed('stagecut')}")
        raise typer.Exit
