"""Tables for the terminal about the decisions of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from sweeps.cli.lines import state_name
from sweeps.evidence.search import Candidate, Decision, Step, changed_text, prediction_text, reason_of
from sweeps.formatting import MISSING, MetricFormat, duration, significant
from sweeps.io.terminal import table, text
from sweeps.trial.trial import Trial

PREDICTED = "predicted end [80 %]"


def decisions_table(steps: Sequence[Step], words: MetricFormat) -> Table:
    """Return a row for each decision: what was handed out, why, what was expected, and what came of it.

    Args:
        steps: The decisions.
        words: The format of the study's metric.
    """
    made = table("decision", "trial", "why", "epochs", PREDICTED, "cost", "reached", "trial now", numbers=_NUMBERS)
    for step in steps:
        decision = step.decision
        cells = (
            *(_number(decision.order), decision.trial, reason_of(decision), epochs_of(decision)),
            *(prediction_text(decision.predicted, words), _cost(decision.cost), words.show(step.reached)),
            outcome_text(step.trial, words),
        )
        made.add_row(*map(text, cells))
    return made


def candidates_table(step: Step, words: MetricFormat, baseline: Mapping[str, Any]) -> Table:
    """Return a row for each candidate of a decision, best first, with the settings that differ from the baseline's.

    Args:
        step: The decision.
        words: The format of the study's metric.
        baseline: The nested settings of the study's baseline.
    """
    made = table("candidate", "", "settings", PREDICTED, "cost", "score", numbers=("cost", "score"))
    for candidate in step.decision.candidates:
        cells = (
            "new" if candidate.trial is None else f"trial {candidate.trial}",
            "chosen" if _is_chosen(candidate, step) else "",
            changed_text(candidate.parameters, baseline) if candidate.parameters else MISSING,
            prediction_text(candidate.predicted, words),
            *(_cost(candidate.cost), MISSING if candidate.score is None else significant(candidate.score)),
        )
        made.add_row(*map(text, cells))
    return made


def decision_lines(step: Step, words: MetricFormat, baseline: Mapping[str, Any]) -> list[str]:
    """Return a decision in a few lines: what was handed out and why, its price, and what came of it."""
    decision = step.decision
    lines = [
        f"Decision {_number(decision.order)}: trial {decision.trial}, epochs {epochs_of(decision)}.",
        f"Why: {reason_of(decision)}.",
        f"Settings: {changed_text(step.trial.parameters, baseline)}.",
    ]
    if decision.predicted is not None:
        lines.append(f"Predicted end [80 % interval]: {prediction_text(decision.predicted, words)}.")
    price = f"Cost: {_cost(decision.cost)} epoch{'' if decision.cost == 1 else 's'} of the baseline"
    loading = f"; loading a paused state took {duration(decision.load_s)}" if decision.load_s else ""
    lines += [f"{price}{loading}."] if decision.cost is not None else []
    reached = f"{words.show(step.reached)} after epoch {decision.until}; " if step.reached is not None else ""
    return [*lines, f"What came of it: {reached}the trial is {outcome_text(step.trial, words)}."]


def epochs_of(decision: Decision) -> str:
    """Return the epochs of a step: "2–4"."""
    return f"{_number(decision.start)}–{_number(decision.until)}"


def outcome_text(trial: Trial, words: MetricFormat) -> str:
    """Return the state of a trial, with its value if it is complete."""
    value = f" {words.show(trial.value)}" if trial.value is not None else ""
    return f"{state_name(trial.state)}{value}"


def _is_chosen(candidate: Candidate, step: Step) -> bool:
    if candidate.trial is not None:
        return candidate.trial == step.decision.trial
    return not step.decision.start and dict(candidate.parameters) == dict(step.trial.parameters)


def _number(number: int | None) -> str:
    return MISSING if number is None else f"{number:,}"


def _cost(cost: float | None) -> str:
    return MISSING if cost is None else significant(cost)


_NUMBERS = ("decision", "trial", "cost", "reached")
