"""One model, bound to several shapes: a program for each."""

from collections.abc import Sequence

from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.frontends.normal_form.normalise import normalise
from stagecut.compiler.frontends.shapes import Shapes
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import ShapeError
from stagecut.compiler.ir.program import Program
from stagecut.compiler.ir.text import shape_text


def programs_for(
    imported: Imported, shapes: Sequence[Shapes], feeds: Feeds | None
) -> Sequence[Program]:
    """One for each of `shapes`. Where there are several, `feeds` are used for those that they fit.

    Raises ShapeError where two are the same.
    """

    def fit(each: Shapes) -> bool:
        given = {name: array.shape for name, array in (feeds or {}).items()}
        return len(shapes) == 1 or all(given.get(name, size) == size for name, size in each.items())

    programs = [
        normalise(imported, shapes=each, feeds=feeds if fit(each) else None) for each in shapes
    ]
    bound = [{name: array.shape for name, array in each.feeds.items()} for each in programs]
    for index, each in enumerate(bound):
        if each in bound[:index]:
            raise ShapeError(
                "two variants have the same shapes", where=shape_text(each), fix="give them once"
            )
    return programs
