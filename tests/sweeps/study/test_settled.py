"""What a study file leaves open is settled when the study begins."""

from __future__ import annotations

import pytest

from sweeps.study.document import from_text
from sweeps.study.search.settled import SEARCH_RULES, as_written_before, search_rules, settled
from sweeps.study.study import Study, dump, parse

HEAD = """
name: x
question: Which?
workload: w
metric: {name: acc, goal: maximize}
run_cap: 8
parameters: {lr: {min: 0.1, max: 1.0}}
"""


def written(text: str) -> Study:
    return parse(from_text(HEAD + text, "s.yaml"))


def test_a_new_study_promotes_by_the_ladder_and_bayes_is_the_surrogate() -> None:
    rules = search_rules({}, promotion=(2, 3))
    study = settled(written("early_terminate: {type: asha}"), {SEARCH_RULES: rules})
    assert study.method == "bayes"
    assert study.early_terminate is not None
    assert study.early_terminate.written() == {"type": "asha", "mode": "promote", "min_iter": 2, "eta": 3}


def test_a_study_of_before_keeps_tpe_and_stops_its_trials() -> None:
    environment = {"device": "cpu"}
    assert search_rules(environment) == {"bayes": "tpe", "mode": "stop", "min_iter": 1, "eta": 3}
    study = settled(written("early_terminate: {type: hyperband}"), environment)
    assert study.method == "tpe"
    assert study.early_terminate is not None
    assert study.early_terminate.written() == {"type": "hyperband", "mode": "stop", "min_iter": 1, "eta": 3}


@pytest.mark.parametrize("environment", [{}, {"device": "cpu"}, {SEARCH_RULES: search_rules({})}])
def test_what_the_file_says_is_never_replaced(environment: dict[str, object]) -> None:
    text = "method: random\nearly_terminate: {type: asha, mode: stop, min_iter: 2, eta: 4}"
    assert settled(written(text), environment) == written(text)


@pytest.mark.parametrize(("mode", "eta"), [("promote", 2), ("stop", 3)])
def test_a_mode_in_the_file_has_its_own_ladder(mode: str, eta: int) -> None:
    study = settled(written(f"early_terminate: {{type: asha, mode: {mode}}}"), {"device": "cpu"})
    assert study.early_terminate is not None
    assert (study.early_terminate.mode, study.early_terminate.min_iter, study.early_terminate.eta) == (mode, 1, eta)


def test_the_rules_stay_as_they_were_settled() -> None:
    rules = {"bayes": "bayes", "mode": "promote", "min_iter": 3, "eta": 2}
    assert search_rules({"device": "cpu", SEARCH_RULES: rules}, promotion=(1, 4)) == rules


def test_a_file_is_completed_as_before_to_recognise_a_study_that_was_complete() -> None:
    assert "early_terminate: {type: asha, min_iter: 2, eta: 3}" in dump(
        as_written_before(written("early_terminate: {min_iter: 2}"))
    )
    for text in ("early_terminate: {type: median}", "early_terminate: {mode: promote}", ""):
        assert as_written_before(written(text)) == written(text)
