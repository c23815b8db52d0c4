"""What is measured in a noisy moment is measured again, as often as the effort allows."""

from collections.abc import Iterator, Sequence

import pytest

from stagecut.compiler.circumstances import ATTEMPTS, age, quietest
from stagecut.compiler.context import EFFORTS, Effort, Settings
from stagecut.compiler.measure.foreign_load import Reading
from tests.support.short_turns import try_again


@pytest.fixture(autouse=True)
def _tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    try_again(monkeypatch)


def _readings(taken: Sequence[float], waited: Sequence[float]) -> Iterator[Reading]:
    """Two for each second of measuring on one CPU: before and after."""
    busy_s = waited_s = 0.0
    for number, (part, waits) in enumerate(zip(taken, waited, strict=True)):
        yield Reading(float(number), busy_s, 0.0, waited_s, cpus=1)
        busy_s, waited_s = busy_s + part, waited_s + waits
        yield Reading(number + 1.0, busy_s, 0.0, waited_s, cpus=1)


def _measured(
    effort: Effort, taken: Sequence[float], waited: Sequence[float], unrest: str = ""
) -> tuple[int, str, float | None, list[str]]:
    """Which attempt it is that counts, its noise and foreign load, and what was said."""
    said: list[str] = []
    readings, attempts = _readings(taken, waited), iter(range(9))
    settings = Settings(
        effort=effort, load=lambda: next(readings), now=lambda: 7.0, warn=said.append
    )
    found, known = quietest("gate", settings, lambda: next(attempts), lambda _: unrest)
    assert (known.what, known.measured_at_s) == ("gate", 7.0)
    return found, known.noise, known.foreign_load, said


def test_a_quiet_moment_is_measured_once() -> None:
    assert _measured("thorough", [0.05] * 3, [0.2] * 3) == (0, "", 0.05, [])


def test_a_noisy_one_is_measured_again() -> None:
    assert _measured("normal", [0.5, 0.0], [0.0, 0.0]) == (1, "", 0.0, [])


@pytest.mark.parametrize("effort", EFFORTS)
def test_where_there_is_no_quiet_the_least_noisy_counts(effort: Effort) -> None:
    tries = ATTEMPTS[effort]
    found, noise, taken, said = _measured(effort, [0.5, 0.4, 0.6][:tries], [0.3] * tries)
    assert found == min(1, tries - 1)
    told = "40%" if tries > 1 else "50%"
    expected = f"other work took {told} of the CPUs; something waited for a CPU 30% of the time"
    assert (noise, taken) == (expected, 0.4 if tries > 1 else 0.5)
    assert said == [f"the gate was measured in a noisy moment and is not kept: {noise}"]


def test_unrest_is_noise_though_nothing_else_ran() -> None:
    found, noise, _, said = _measured("normal", [0.0, 0.0], [0.0, 0.0], unrest="bimodal")
    assert (found, noise, len(said)) == (0, "bimodal", 1)


def test_a_machine_that_does_not_tell_has_no_load() -> None:
    settings = Settings(load=lambda: None)
    _, known = quietest("gate", settings, lambda: 1, lambda _: "")
    assert (known.noise, known.foreign_load, known.waited) == ("", None, None)


AGES = {0: "less than a minute", 61: "1 minute", 7200: "2 hours", 200_000: "2 days"}


@pytest.mark.parametrize(("seconds", "text"), AGES.items())
def test_ages(seconds: float, text: str) -> None:
    assert age(seconds) == text
