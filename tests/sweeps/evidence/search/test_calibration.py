"""Whether predictions held: the share of ends within the interval, and their order."""

from __future__ import annotations

import random

import pytest

from sweeps.evidence.search import Coverage, Prediction, search_history
from sweeps.evidence.search.calibration import rank_correlation
from sweeps.evidence.search.sentences import calibration_sentences
from sweeps.stats import share_interval
from sweeps.trial.trial import Status

from .recorded import ladder, new, promoted, trial_of


def test_each_trial_counts_once_with_the_prediction_before_its_last_step() -> None:
    found = search_history(ladder()).calibration
    assert (found.last.n, found.last.inside) == (2, 1)  # 70 in 66 to 72; 80 not in 70 to 78
    assert (found.last.low, found.last.high) == share_interval(1, 2)


def test_predictions_at_the_start_count_for_those_that_reached_the_end() -> None:
    found = search_history(ladder()).calibration
    assert (found.first.n, found.first.inside) == (1, 0)  # 80 not in 55 to 70; the baseline had no prediction
    said = calibration_sentences(found)[1]
    assert said.startswith("Of 1 trial with a prediction when the configuration was proposed, 0 ended within the 80 %")
    assert "Only promoted trials reach their end, so these are the better ones" in said


def test_a_trial_that_was_trained_to_its_end_at_once_counts_once() -> None:
    whole = new(0, 2, last=True, predicted=[1, 2, 3])
    found = search_history([trial_of(0, Status.COMPLETE, {1: 1.0, 2: 2.5}, whole)]).calibration
    assert (found.last.n, found.first.n, found.paused) == (1, 0, 0)


def test_the_order_at_the_first_pause_is_that_of_all_proposed_trials() -> None:
    found = search_history(ladder()).calibration
    assert found.paused == 5  # trials 1 to 5; 6 still runs
    assert found.first_pause == pytest.approx(0.9)


def test_an_open_question_stays_open() -> None:
    history = search_history([trial_of(0, Status.RUNNING, {}, new(0, 1, predicted=[1, 2, 3]))])
    assert calibration_sentences(history.calibration) == [
        "No trial with a prediction has been trained to its end: whether the surrogate is calibrated is open."
    ]


@pytest.mark.parametrize(
    ("inside", "n", "words"),
    [
        (3, 4, "in line with 80 %, but so few cannot show that it is calibrated"),
        (32, 40, "in line with 80 %, as a calibrated surrogate's are"),
        (12, 40, "its intervals were too narrow, it was surer than it was right"),
        (40, 40, "its intervals were wider than they had to be"),
    ],
)
def test_the_verdict_follows_the_exact_interval(inside: int, n: int, words: str) -> None:
    ends = [0.0] * inside + [9.0] * (n - inside)
    trials = [
        trial_of(at, Status.COMPLETE, {1: 0.0, 2: end}, promoted(at, 1, 2, 1, 2, predicted=[-1, 0, 1]))
        for at, end in enumerate(ends)
    ]
    sentence = calibration_sentences(search_history(trials).calibration)[0]
    low, high = (f"{100 * end:.0f} %" for end in share_interval(inside, n))
    assert sentence == (
        f"Of {n} trials with a prediction before the last step, {inside} ended within the 80 % interval "
        f"({100 * inside / n:.0f} %, exact 95 % interval {low} to {high}): {words}."
    )


def test_a_calibrated_model_is_called_so() -> None:
    draw = random.Random(3)
    pairs = []
    for _ in range(400):
        centre = draw.gauss(0, 3)
        pairs.append((Prediction(centre - 1.2816, centre, centre + 1.2816), draw.gauss(centre, 1)))
    found = Coverage.of(pairs)
    assert found.low < 0.8 < found.high
    assert found.correlation is not None
    assert found.correlation > 0.9


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([1, 2, 3, 4, 5], [10, 20, 30, 40, 90], 1.0),
        ([1, 2, 3, 4, 5], [50, 40, 30, 20, 10], -1.0),
        ([1, 2, 2, 3, 4], [1, 3, 2, 4, 5], 0.974679),
        ([1, 2, 3, 4], [1, 2, 3, 4], None),
        ([1, 1, 1, 1, 1], [1, 2, 3, 4, 5], None),
    ],
)
def test_rank_correlation_has_mean_ranks_for_ties(one: list[float], other: list[float], expected: float | None) -> None:
    assert rank_correlation(one, other) == (expected if expected is None else pytest.approx(expected, abs=1e-6))
