"""The steps, in their order: what each asks, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """A step.

    Attributes:
        file: The name of its file of results, without the suffix.
        title: The question that it answers.
        seconds: How long it may take.
        modules: The modules whose functions `parts` return its parts.
    """

    file: str
    title: str
    seconds: float
    modules: tuple[str, ...]


def _modules(*names: str) -> tuple[str, ...]:
    return tuple(f"{__name__}.{name}" for name in names)


STEPS = {
    "trains": Step("01_trains", "Does anything train, with the CPU's losses?", 25, _modules("trains")),
    "scenarios": Step(
        "02_scenarios",
        "Does every kind of training give the CPU's figures, and as a graph?",
        80,
        _modules("scenarios"),
    ),
    "speed": Step(
        "03_speed",
        "How fast is a step, what does a checkpoint cost, what do errors leave?",
        125,
        _modules("speed", "checkpoints", "faults", "compiled"),
    ),
    "fast": Step("04_fast", "What does `preset: fast` reach, and in how many seconds?", 50, _modules("fast")),
    "study": Step("05_study", "What does a study of three minutes find?", 200, _modules("study")),
    "copies": Step("06_copies", "How many trials share the device best?", 60, _modules("copies")),
}
TOTAL_S = sum(step.seconds for step in STEPS.values())
