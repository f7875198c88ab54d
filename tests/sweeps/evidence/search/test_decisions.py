"""The decisions of a search in their order, from records that may be damaged."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sweeps.evidence.search import (
    Candidate,
    Decision,
    Prediction,
    Rung,
    changed_text,
    history_sentences,
    none_recorded,
    prediction_text,
    reason_of,
    search_history,
    steps_of,
)
from sweeps.formatting import MetricFormat
from sweeps.trial.trial import Status
from tests.sweeps.support import toy_study

from .recorded import ladder, new, promoted, sent, trial_of

GRID = {"parameters": {"lr": {"values": [0.1, 0.2]}}}


def test_decisions_are_listed_in_the_order_in_which_they_were_made() -> None:
    steps = steps_of(ladder())
    assert [step.decision.order for step in steps] == [*range(11)]
    assert [step.decision.trial for step in steps] == [0, 1, 0, 2, 3, 2, 4, 2, 0, 5, 6]


def test_a_step_has_what_the_trial_reached_in_it_and_in_the_end() -> None:
    first, *_, last = [step for step in steps_of(ladder()) if step.decision.trial == 2]
    assert (first.reached, first.end, first.to_the_end) == (55.0, 80.0, False)
    assert (last.reached, last.end, last.to_the_end) == (80.0, 80.0, True)


def test_a_decision_holds_the_candidates_that_were_weighed() -> None:
    weighed = [
        {"trial": None, "parameters": {"lr": 0.1}, "predicted": [1, 2, 3], "cost": 1, "score": 0.5},
        {"trial": 7, "predicted": None, "cost": 2.0},
    ]
    decision = Decision.of(new(3, 1, candidates=weighed), 4)
    assert decision.candidates == (
        Candidate(None, {"lr": 0.1}, Prediction(1.0, 2.0, 3.0), 1.0, 0.5),
        Candidate(7, {}, None, 2.0, None),
    )


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        (None, Decision(None, 0)),
        ("text", Decision(None, 0)),
        ({}, Decision(None, 0)),
        ({"order": "first", "from": None, "until": 1.5, "why": 3, "by": ["x"]}, Decision(None, 0)),
        ({"order": True, "cost": "dear", "candidates": {"a": 1}, "model": []}, Decision(None, 0)),
        ({"order": 1, "predicted": [3, 2, 1]}, Decision(1, 0)),
        ({"order": 1, "predicted": [1, math.nan, 2]}, Decision(1, 0)),
        ({"order": 1, "predicted": [1, 2], "cost": math.inf}, Decision(1, 0)),
        ({"order": 1, "rung": {"reached": 4}}, Decision(1, 0, rung=Rung(4, None, None))),
        ({"order": 1, "candidates": [None, 3]}, Decision(1, 0, candidates=(Candidate(None, {}),) * 2)),
    ],
)
def test_what_is_missing_or_damaged_is_not_known(recorded: Any, expected: Decision) -> None:
    assert Decision.of(recorded, 0) == expected


def test_damaged_records_do_not_hide_the_others() -> None:
    trials = [trial_of(0, Status.PRUNED, {1: 1.0}, "damaged", new(0, 1)), trial_of(1, Status.FAILED, {}, None)]
    history = search_history(trials)
    assert [step.decision.order for step in history.steps] == [0, None, None]
    assert history_sentences(history)


@pytest.mark.parametrize(
    ("recorded", "reason"),
    [
        (new(0, 1, "model"), "new, proposed by the surrogate"),
        (new(0, 1, "start"), "new, from the quasi-random start"),
        (new(0, 1, ""), "new"),
        (promoted(1, 4, 9, 2, 9), "2nd of 9 at epoch 4, 4 go on"),
        (promoted(1, 4, 9, 11, 23), "11th of 23 at epoch 4, 11 go on"),
        ({**promoted(1, 4, 9, 1, 2), "rung": None}, "promoted"),
        (sent(1, 4, 9), "best that waited at epoch 4; no new trial to come"),
        ({}, "not recorded"),
    ],
)
def test_the_reason_of_a_decision_in_words(recorded: dict[str, Any], reason: str) -> None:
    assert reason_of(Decision.of(recorded, 0)) == reason


def test_a_history_counts_what_started_and_who_went_on() -> None:
    history = search_history(ladder())
    assert history.started == {"baseline": 1, "start": 1, "model": 4, "random": 1}
    counts = [(rung.epoch, rung.paused, rung.promoted, rung.sent, rung.waiting, rung.ended) for rung in history.rungs]
    assert counts == [(1, 6, 2, 0, 1, 3), (2, 2, 1, 1, 0, 0)]
    assert history.completed == 2
    assert history_sentences(history)[:2] == [
        "7 trials started: 1 as the baseline, 1 from the quasi-random start, 4 proposed by the surrogate and "
        "1 drawn at random.",
        "6 paused at epoch 1, 2 promoted, 1 waiting; 2 paused at epoch 2, 1 promoted, 1 sent to the end. "
        "Trained to the end: 2.",
    ]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"method": "random"}, ": with method: random and no early termination, no trial is promoted and none is "),
        ({"method": "tpe", "early_terminate": {"type": "asha", "mode": "stop"}}, "{type: asha, mode: stop}, no trial"),
        ({"method": "grid", "early_terminate": {"type": "median"}}, "{type: median}, no trial"),
        ({"method": "random", "early_terminate": {"type": "asha", "mode": "promote"}}, "is on record yet."),
    ],
)
def test_a_search_without_decisions_says_why(settings: dict[str, Any], reason: str) -> None:
    assert history_sentences(search_history([trial_of(0, Status.COMPLETE, {1: 1.0})])) == []
    assert reason in none_recorded(toy_study(**settings, **GRID if settings["method"] == "grid" else {}))


def test_a_prediction_is_shown_with_the_decimals_of_its_interval() -> None:
    accuracy, loss = MetricFormat("accuracy", "%", "maximize"), MetricFormat("loss", "", "minimize")
    assert prediction_text(Prediction(66.0, 70.123, 72.31), accuracy) == "70.12 % [66.00, 72.31]"
    assert prediction_text(Prediction(0.1, 0.25, 0.5), loss) == "0.25 [0.10, 0.50]"
    assert prediction_text(None, loss) == "–"


def test_a_candidate_is_told_by_its_differences_from_the_baseline() -> None:
    baseline = {"lr": 0.05, "net": {"width": 8, "blocks": [1, 1]}}
    assert changed_text({"lr": 0.05, "net.blocks": [2, 1], "momentum": 0.9}, baseline) == (
        "net.blocks [2, 1], momentum 0.9"
    )
    assert changed_text({"lr": 0.05}, baseline) == "as the baseline"


@pytest.mark.parametrize(
    ("status", "curve", "decisions", "state"),
    [
        (Status.RUNNING, {1: 1.0}, [new(0, 1)], "paused"),
        (Status.RUNNING, {1: 1.0}, [new(0, 1), promoted(1, 1, 2, 1, 2)], "running"),
        (Status.RUNNING, {}, [new(0, 1)], "running"),
        (Status.RUNNING, {1: 1.0}, [], "running"),
        (Status.PRUNED, {1: 1.0}, [new(0, 1)], "pruned"),
    ],
)
def test_a_trial_that_has_reached_its_rung_is_paused(
    status: Status, curve: dict[int, float], decisions: list[Any], state: str
) -> None:
    assert trial_of(0, status, curve, *decisions).state == state


def test_predictions_are_cut_to_what_the_metric_can_be() -> None:
    decision = Decision.of(
        {"predicted": [-3.0, 99.0, 108.4], "candidates": [{"predicted": [0, 1, 200]}]}, 0, (0.0, 100.0)
    )
    assert decision.predicted == Prediction(0.0, 99.0, 100.0)
    assert decision.candidates[0].predicted == Prediction(0.0, 1.0, 100.0)
