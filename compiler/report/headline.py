"""The first lines of a report: how fast, how sure, what is proved, and how much better than others.

What was observed leads, the prediction stands beside it, and what is proved is said of the optimum
of the costs alone, in the certificate's own words.
"""

from stagecut.compiler.ir.objective import LATENCY
from stagecut.compiler.ir.units import seconds
from stagecut.compiler.report import wording
from stagecut.compiler.report.model.content import Report, Summary
from stagecut.compiler.report.model.figures import Observation


def lead(summary: Summary) -> tuple[str, str]:
    """The plan's time, and what is said of it in the same line.

    What was observed leads, and the prediction stands beside it. Where the plan is not the optimum
    of the costs, the line says so.
    """
    if summary.observed is None:
        figure, rest = summary.predicted, "predicted, never run"
    else:
        figure, sure = summary.observed.total, sureness(summary)
        rest = f"observed{f' ({sure})' if sure else ''}, {beside(summary)}"
    if not summary.shipped.is_optimum:
        rest += f"; {_ships(summary)}, not {_optimum(summary)}"
    if summary.streaming is None:
        return wording.time(figure), rest
    return wording.rate(figure), f"= an input every {wording.time(figure)} {rest}"


def _ships(summary: Summary) -> str:
    name = wording.brief(summary.shipped.name)
    return f"{name} alone ships" if summary.shipped.single_device else f'"{name}" ships'


def sureness(summary: Summary) -> str:
    """How sure the observed time is."""
    observed = summary.observed
    if observed is None:
        return ""
    if observed.source == "gate":
        return within(observed)
    gate, traced = summary.as_built, "one traced run"
    if observed.source == "stream":
        traced = f"a traced stream of {wording.count(observed.runs, 'input')}"
    if gate is None:
        return traced
    off = wording.difference(gate, observed.total)
    return f"{traced}{', ' + off if off else ''} against the gate's {wording.time(gate)}"


def within(observed: Observation) -> str:
    """Where the true median lies; nothing where that is not known, or all runs took the same."""
    if observed.low_s is None or observed.high_s is None or observed.low_s == observed.high_s:
        return ""
    return f"95 % within {wording.between(observed.low_s, observed.high_s, observed.total.basis)}"


def beside(summary: Summary) -> str:
    """The prediction, and how far runs were off it, unless they are held against the gate's."""
    text = f"{wording.time(summary.predicted)} predicted"
    observed = summary.observed
    if observed is None or (observed.source != "gate" and summary.as_built is not None):
        return text
    off = wording.difference(summary.predicted, observed.total)
    return f"{text} (off by {off})" if off else text


def evidence(summary: Summary) -> str:
    """How sure the observed time is, and from how many runs it is known."""
    observed = summary.observed
    if observed is None or observed.source != "gate":
        return sureness(summary)
    least, most = seconds(observed.min_s), seconds(observed.max_s)
    median = f"median of {wording.count(observed.runs, 'run')}, {least} to {most}"
    return "; ".join(filter(None, (sureness(summary), median)))


def optimum(summary: Summary) -> str:
    """What is proved of the optimum of the costs; with its figures, where another plan ships."""
    claim, overruled = summary.certificate.claim, summary.overruled
    if overruled is None:
        return f"by the costs, {claim}"
    energy = "" if summary.objective == str(LATENCY) else wording.joules(overruled.energy_j)
    figures = (
        f"{wording.time(overruled.predicted)} predicted" if overruled.predicted else "",
        f"{energy} predicted" if energy else "",
        _took(overruled.observed),
    )
    return f"{_optimum(summary)}: {', '.join(filter(None, figures))}; by the costs, {claim}"


def _took(observed: Observation | None) -> str:
    if observed is None:
        return "never run"
    sure = within(observed)
    return f"{wording.time(observed.total)} observed" + (f" ({sure})" if sure else "")


def _optimum(summary: Summary) -> str:
    """What the least total of the costs may be called by its certificate."""
    if summary.certificate.exact:
        return "the optimum of the costs"
    return "the best schedule that was found by the costs"


def rivalry(report: Report) -> str:
    """How the plan compares with the best single device."""
    shipped, rival = report.summary.shipped, report.summary.rival
    whole = f"everything on {wording.brief(shipped.name)}" if shipped.single_device else ""
    if rival is None:
        if whole or len(report.contenders) < 2:
            return ", ".join(filter(None, (whole, "compared with no other plan")))
        able = any(device.alone for device in report.devices)
        return f"no device alone {'was compared with it' if able else 'can run it'}"
    device, took = (
        wording.brief(rival.name),
        f"{wording.time(rival.alone.total)} {rival.alone.source}",
    )
    which = f"{device} alone" if whole else f"the best single device, {device}"
    return "; ".join(filter(None, (whole, f"{rival.ratio:.2f} × as fast as {which} ({took})")))
