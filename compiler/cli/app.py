"""The commands, gathered; each imports what is heavy when it runs."""

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
app.command("generate")(generate_command.generate)
app.command("bench")(bench_command.bench)
app.command("report")(report_command.report)
app.command("diff")(diff_command.diff)
app.command("profile")(profile_command.profile)
app.command("partition")(partition_command.partition)
app.command("import-costs")(import_costs_command.import_costs)
app.command("sweep")(sweep_command.sweep)
app.command("devices")(devices_command.devices)
app.command("hosts")(hosts_command.hosts)
app.command("estimate")(estimate_command.estimate)


@app.callback(invoke_without_command=True)
def _options(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        from importlib.metadata import version as installed

        say(f"stagecut {installed('stagecut')}")
        raise typer.Exit
