"""What to run where a plan's engines are missing: the best contender that needs none of them."""

from collections.abc import Sequence
from dataclasses import replace

from stagecut.compiler.ir.schedule import Stage
from stagecut.passes.gate.contenders import Entry
from stagecut.passes.gate.gate import Compared

#: Devices that come with stagecut itself.
_ALWAYS = frozenset({"cpu.serial", "cpu.parallel"})


def fallback_stages(entries: Sequence[Entry], compared: Compared) -> tuple[Stage, ...]:
    """Nothing where the plan that ships needs no other engine, or every contender does."""
    plain = {
        entry.name: entry.stages
        for entry in entries
        if {stage.device for stage in entry.stages} <= _ALWAYS
    }
    if compared.chosen.name in plain:
        return ()
    fits = [contender for contender in compared.contenders if contender.name in plain]
    best = min(fits, key=lambda contender: contender.median_s, default=None)
    return () if best is None else tuple(map(_renamed, plain[best.name]))


def _renamed(stage: Stage) -> Stage:
    """Beside the stages of the plan, in one archive."""
    name = stage.program.name.replace("stage", "fallback")
    return replace(stage, program=replace(stage.program, name=name))
