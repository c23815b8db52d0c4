"""`stagecut partition`: solve a cost table, from wherever it comes."""

from pathlib import Path
from typing import Annotated

import typer

from stagecut.compiler.cli import common


def partition(
    costs: Annotated[Path, typer.Argument(metavar="COSTS", help="A cost table.")],
) -> None:
    """Solve."""
    typer.echo(str(costs))
