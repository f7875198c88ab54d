"""The stage final and the sets that it evaluates, against the functions of the workload."""

from __future__ import annotations

from typing import Any

import pytest

from sweeps.study.problems import StudyError
from tests.sweeps.support import toy_study
from tests.sweeps.validation.blobs import SEARCH, report

FINAL = {"seeds": 2}


def toy_report(**settings: Any) -> str:
    with pytest.raises(StudyError) as caught:
        toy_study(**settings)
    return str(caught.value)


def test_final_needs_a_workload_that_evaluates_and_a_metric_of_a_test_set() -> None:
    lacking = "final: workload tests.sweeps.recipes:blobs cannot open a test set: it has no 'evaluate'"
    assert lacking in report(f"{SEARCH}final: {{seeds: 2}}\n")
    metric = {"name": "train_loss", "goal": "minimize"}
    assert "final: train_loss is a metric of the training data: it cannot be measured on a test set" in toy_report(
        metric=metric, final=FINAL
    )


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        (["shifted", "blurred"], "evaluate.1: unknown set 'blurred'; valid: shifted"),
        (["shifted", "shifted-b", "shifted"], "evaluate.2: 'shifted' is evaluated already"),
    ],
)
def test_sets_must_be_known_and_differ(sets: list[str], expected: str) -> None:
    assert expected in toy_report(evaluate=sets, final=FINAL)
    assert toy_study(evaluate=sets[:1], final=FINAL).evaluate == ("shifted",)


def test_sets_need_a_workload_that_has_some() -> None:
    lacking = "evaluate.0: workload tests.sweeps.recipes:blobs has no further labelled sets: it has no 'evaluations'"
    assert lacking in report(f"{SEARCH}final: {{seeds: 2}}\nevaluate: [shifted]\n")
