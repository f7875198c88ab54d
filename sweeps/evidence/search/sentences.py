"""Put the course of a search into sentences: what started its trials, which went on, whether predictions held."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeps.evidence.search.calibration import Calibration, Coverage
from sweeps.evidence.search.decisions import COVERAGE, NEW, PROMOTED, TO_THE_END, Decision, Prediction
from sweeps.evidence.search.history import RungCount, SearchHistory
from sweeps.formatting import MISSING, MetricFormat, count, listed, same_places, setting
from sweeps.recipe.keys import value_at
from sweeps.study.study import Study

WIDE = 0.5  # an interval of a share this wide excludes little
_BY = {
    "baseline": "as the baseline",
    "enqueued": "enqueued",
    "start": "from the quasi-random start",
    "model": "proposed by the surrogate",
    "tpe": "proposed by TPE",
    "random": "drawn at random",
    "grid": "from the grid",
    "unknown": "of unknown origin",
}
_ORDINALS = {1: "st", 2: "nd", 3: "rd"}


def history_sentences(history: SearchHistory) -> list[str]:
    """Return what the decisions add up to: how trials started, how many went on, whether the predictions held.

    Empty where no decision is on record, which `none_recorded` explains.
    """
    if not history.steps:
        return []
    sentences = [_started(history), *_promoted(history)]
    return [*sentences, *calibration_sentences(history.calibration)] if history.predicted else sentences


def none_recorded(study: Study) -> str:
    """Return why no decision of a search is on record.

    Args:
        study: The study as it runs, with what was settled at its first start.
    """
    section = study.early_terminate
    if study.method == "bayes" or (section is not None and section.promotes):
        return "No decision of this search is on record yet."
    mode = f", mode: {section.mode}" if section is not None and section.mode else ""
    rule = f"early_terminate: {{type: {section.type}{mode}}}" if section is not None else "no early termination"
    return (
        f"No decision of this search is on record: with method: {study.method} and {rule}, no trial is promoted and "
        "none is proposed by the surrogate."
    )


def calibration_sentences(found: Calibration) -> list[str]:
    """Return whether the surrogate's predictions held, and how far that can be told from the trials that went on."""
    last, first, sentences = found.last, found.first, []
    if not last.n and not first.n:
        sentences.append(
            "No trial with a prediction has been trained to its end: whether the surrogate is calibrated is open."
        )
    if last.n:
        sentences.append(
            f"Of {count(last.n, 'trial')} with a prediction before the last step, {last.inside:,} ended within the "
            f"{100 * COVERAGE:.0f} % interval ({_share(last)}): {_verdict(last)}.{_order(last)}"
        )
    if first.n:
        sentences.append(
            f"Of {count(first.n, 'trial')} with a prediction when the configuration was proposed, {first.inside:,} "
            f"ended within the {100 * COVERAGE:.0f} % interval ({_share(first)}): {_verdict(first)}.{_order(first)} "
            "Only promoted trials reach their end, so these are the better ones, which tend to end better than "
            "predicted: their share says less about the surrogate."
        )
    if found.first_pause is not None:
        sentences.append(
            f"At the first pause, where no trial has been left out yet, the rank correlation of predicted ends with "
            f"the metric is {_correlation(found.first_pause)} over {count(found.paused, 'trial')}."
        )
    return sentences


def reason_of(decision: Decision) -> str:
    """Return why a trial was handed out: "new, proposed by the surrogate", "2nd of 9 at epoch 4, 4 go on"."""
    if decision.why == NEW:
        return f"new, {_BY.get(decision.by, decision.by)}" if decision.by else "new"
    if decision.why == TO_THE_END:
        return f"best that waited at epoch {decision.start}; no new trial to come"
    rung = decision.rung
    if rung is None or rung.place is None or rung.reached is None:
        return decision.why or "not recorded"
    more = f", {rung.go_on:,} {'goes' if rung.go_on == 1 else 'go'} on" if rung.go_on is not None else ""
    return f"{_ordinal(rung.place)} of {rung.reached:,} at epoch {decision.start}{more}"


def prediction_text(predicted: Prediction | None, words: MetricFormat) -> str:
    """Return a predicted end with its 80 % interval: "70.12 % [66.00, 72.31]"."""
    if predicted is None:
        return MISSING
    median, low, high = same_places(words.show, [predicted.median, predicted.low, predicted.high])
    return f"{median} [{low.removesuffix(' %')}, {high.removesuffix(' %')}]"


def changed_text(parameters: Mapping[str, Any], baseline: Mapping[str, Any]) -> str:
    """Return the settings that differ from the baseline's: "lr 0.01, model.blocks [2, 1]"; "as the baseline" for none.

    Args:
        parameters: The settings by dotted key.
        baseline: The nested settings of the baseline, as in the study file.
    """
    missing = object()
    changed = {key: value for key, value in parameters.items() if value_at(baseline, key, missing) != value}
    return ", ".join(f"{key} {setting(value)}" for key, value in changed.items()) or "as the baseline"


def _started(history: SearchHistory) -> str:
    total = sum(history.started.values())
    parts = [f"{number:,} {_BY.get(name, name)}" for name, number in history.started.items()]
    return f"{count(total, 'trial')} started: {listed(parts)}." if parts else "No new trial is on record."


def _promoted(history: SearchHistory) -> list[str]:
    if not history.rungs:
        return []
    text = "; ".join(map(_rung, history.rungs))
    return [f"{text}. Trained to the end: {history.completed:,}."]


def _rung(rung: RungCount) -> str:
    parts = [f"{rung.promoted:,} {PROMOTED}"]
    parts += [f"{rung.sent:,} sent to the end"] if rung.sent else []
    parts += [f"{rung.waiting:,} waiting"] if rung.waiting else []
    return f"{rung.paused:,} paused at epoch {rung.epoch:,}, {', '.join(parts)}"


def _share(found: Coverage) -> str:
    return f"{_percent(found.inside / found.n)}, exact 95 % interval {_percent(found.low)} to {_percent(found.high)}"


def _verdict(found: Coverage) -> str:
    if found.high < COVERAGE:
        return "its intervals were too narrow, it was surer than it was right"
    if found.low > COVERAGE:
        return "its intervals were wider than they had to be"
    if found.high - found.low > WIDE:
        return f"in line with {100 * COVERAGE:.0f} %, but so few cannot show that it is calibrated"
    return f"in line with {100 * COVERAGE:.0f} %, as a calibrated surrogate's are"


def _order(found: Coverage) -> str:
    if found.correlation is None:
        return ""
    return f" Rank correlation of predicted and reached ends: {_correlation(found.correlation)}."


def _correlation(value: float) -> str:
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _ordinal(number: int) -> str:
    suffix = "th" if number % 100 in (11, 12, 13) else _ORDINALS.get(number % 10, "th")
    return f"{number:,}{suffix}"
