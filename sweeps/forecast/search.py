"""Forecast the search: how many configurations it begins, how far they train, and how many wait at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from sweeps.forecast.outline import StudyOutline
from sweeps.forecast.ranges import Range, epochs_per_trial
from sweeps.pruners.factory import promotion_rule, stopping_rule
from sweeps.pruners.promotion import Promotion
from sweeps.pruners.simulated import SimulatedSearch, simulate
from sweeps.study.study import Study

STEPS = 20  # until a number of trials and their mean epochs agree


@dataclass(frozen=True)
class Ladder:
    """The rungs at which the trials of a search pause.

    Attributes:
        min_iter: The epochs of the first rung.
        eta: The ratio of successive rungs.
        rungs: Each rung's epoch, and how many trials are expected to reach it.
        to_the_end: How many trials are expected to train to their end.
        paused: The most trials that wait at once.
    """

    min_iter: int
    eta: int
    rungs: tuple[tuple[int, float], ...]
    to_the_end: float
    paused: int


@dataclass(frozen=True)
class SearchForecast:
    """What the search trains.

    Attributes:
        trials: The configurations that it begins.
        work: Their work in epochs of the baseline.
        ladder: Where its trials pause; None if they do not.
    """

    trials: Range
    work: Range
    ladder: Ladder | None = None


def forecast_search(outline: StudyOutline) -> SearchForecast:
    """Forecast the search of a study."""
    rule = promotion_rule(outline.study, outline.prepared.workload)
    return _stopping(outline) if rule is None else _promoting(outline, rule)


def finalists(study: Study) -> int:
    """Return how many trials a search whose trials pause sends to their end in any case."""
    return max(1, study.confirm.top if study.confirm is not None else 1)


def _promoting(outline: StudyOutline, rule: Promotion) -> SearchForecast:
    study, work, trainings = outline.study, outline.trial_work, outline.study.budget.trainings

    def simulated(trial: float) -> SimulatedSearch:
        epochs = None if trainings is None else trainings * outline.epochs / trial
        return simulate(rule, study.most_trials, epochs, finalists(study))

    likely = simulated(work.likely)
    cheap, dear = likely, likely
    if trainings is not None and work.low != work.high:
        cheap, dear = simulated(work.low), simulated(work.high)
    most = math.inf if trainings is None else trainings * outline.epochs
    total = min(most, likely.epochs * work.likely)
    low, high = cheap.least_epochs * work.low, min(most, dear.most_epochs * work.high)
    paused = max(likely.paused, cheap.paused)
    return SearchForecast(
        Range(dear.fewest, likely.trials, cheap.most),
        Range(min(low, total), total, max(high, total)),
        Ladder(rule.min_iter, rule.eta, tuple(likely.reached.items()), likely.completed, paused),
    )


def _stopping(outline: StudyOutline) -> SearchForecast:
    study, rule = outline.study, stopping_rule(outline.study, outline.prepared.workload)

    def each(trials: int) -> Range:
        return epochs_per_trial(rule, outline.epochs, trials) * outline.trial_work

    trainings, most = study.budget.trainings, study.most_trials
    if trainings is None:
        assert most is not None, "a search without trainings has a number of trials"
        return SearchForecast(Range.of(most), each(most).scaled(most))
    epochs = trainings * outline.epochs
    few, likely, many = (
        _number(epochs, most, lambda trials, bound=bound: getattr(each(trials), bound))  # type: ignore[misc]
        for bound in ("high", "likely", "low")
    )
    work = each(likely).scaled(likely)
    return SearchForecast(
        Range(few, likely, many), Range(min(work.low, epochs), min(work.likely, epochs), min(work.high, epochs))
    )


def _number(epochs: float, most: int | None, each: Callable[[int], float]) -> int:
    """How many trials fit into so many epochs, where the mean epochs of a trial depend on their number."""
    trials = 1
    for _ in range(STEPS):
        fit = max(1, math.floor(epochs / each(trials) + 1e-9))
        fit = fit if most is None else min(fit, most)
        if fit == trials:
            break
        trials = fit
    return trials
