"""warm_start: the curves of earlier studies are read once, checked, copied into the study's folder, and reported."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sweeps.artifacts.layout import WARM_START_FILE
from sweeps.artifacts.record import read_sealed
from sweeps.engine import execute as engine
from sweeps.engine.execute import RunResult
from sweeps.evidence.caveats import caveats
from sweeps.io.errors import Refused, UserError
from sweeps.prepare.prepared import settle
from sweeps.runners.inline import InlineRunner
from sweeps.samplers.warm_start import read_searches
from sweeps.storage.results import WARM_START
from sweeps.study.document import from_text
from sweeps.study.stages import RunRequest, requested_stages
from sweeps.study.study import Study, StudyError, parse
from sweeps.workload import load
from tests.sweeps.support import Events, run_inline, toy_study, toy_text

RATE: dict[str, Any] = {"distribution": "log_uniform_values", "min": 1e-3, "max": 1.0}
SPACE: dict[str, Any] = {"lr": RATE, "momentum": {"min": 0.0, "max": 0.95}}


def earlier(runs: Path, **settings: Any) -> RunResult:
    """Run the earlier study: a random search of 8 trials over the learning rate."""
    given = {"name": "earlier", "run_cap": 8, "parameters": {"lr": {**RATE, "max": 10.0}}, **settings}
    return run_inline(toy_study(**given), runs)


def warm(**settings: Any) -> Study:
    """A study that the earlier one informs."""
    given = {"name": "warm", "method": "bayes", "run_cap": 5, "parameters": SPACE, "warm_start": ["earlier"]}
    return toy_study(**{**given, **settings})


def run(study: Study, runs: Path) -> RunResult:
    """Run or resume a study as the command line does, which knows the runs folder."""
    file = runs / study.name / "environment.json"
    previous = json.loads(file.read_text()) if file.exists() else {}
    prepared = settle(study, load(study.workload), runs / "data", previous, runs)
    request = RunRequest(requested_stages(study, None))
    return engine.run(prepared, runs / study.name, InlineRunner, Events(), request, cache=False)


def test_search_is_informed_and_says_so(tmp_path: Path) -> None:
    trials = earlier(tmp_path).results.trials
    results = run(warm(), tmp_path).results
    (recorded,) = results.environment[WARM_START]
    inside = [trial for trial in trials if trial.parameters["lr"] <= 1.0]
    assert 2 <= len(inside) < 8
    assert (recorded["study"], recorded["trials"]) == ("earlier", len(inside))
    assert any(f"informed by earlier ones ({len(inside)} trials of earlier)" in caveat for caveat in caveats(results))
    (copied,) = read_sealed(results.folder / WARM_START_FILE)["searches"]
    # What only this study searches has the value of the earlier study's recipe.
    assert [trial["parameters"] for trial in copied["trials"]] == [
        {"lr": trial.parameters["lr"], "momentum": 0.9} for trial in inside
    ]
    assert [trial["curve"] for trial in copied["trials"]] == [
        [[epoch, value] for epoch, value in trial.curve.items()] for trial in inside
    ]
    # The baseline and two more show how far the source is right; then the model is asked.
    assert [trial.decisions[0]["by"] for trial in results.trials] == ["baseline", "start", "start", "random", "model"]


def test_what_was_read_stays_when_the_earlier_study_has_gone(tmp_path: Path) -> None:
    earlier(tmp_path)
    for runs in ("whole", "parts"):
        shutil.copytree(tmp_path / "earlier", tmp_path / runs / "earlier")
    whole = run(warm(run_cap=6), tmp_path / "whole").results
    run(warm(run_cap=4), tmp_path / "parts")
    shutil.rmtree(tmp_path / "parts" / "earlier")
    parts = run(warm(run_cap=6), tmp_path / "parts").results
    assert [trial.parameters for trial in parts.trials] == [trial.parameters for trial in whole.trials]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda file: file.unlink(), "the curves that inform the search cannot be read"),
        (
            lambda file: file.write_text(file.read_text().replace("0.9", "0.8", 1)),
            "the curves that inform the search cannot be read",
        ),
    ],
)
def test_copy_that_is_not_the_one_of_the_beginning_is_refused(tmp_path: Path, damage: Any, reason: str) -> None:
    earlier(tmp_path)
    run(warm(run_cap=2), tmp_path)
    damage(tmp_path / "warm" / WARM_START_FILE)
    with pytest.raises(Refused, match=reason):
        run(warm(run_cap=3), tmp_path)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"warm_start": ["erlier"]}, "warm_start: unknown study 'erlier'; did you mean 'earlier'?"),
        (
            {"metric": {"name": "train_loss", "goal": "minimize"}},
            "earlier has the metric val_accuracy (maximize), but this study has train_loss (minimize)",
        ),
        (
            {"parameters": {"momentum": {"min": 0.0, "max": 0.95}}},
            "earlier searches none of the settings that this study searches; it searches: lr",
        ),
        (
            {"parameters": {"lr": {"min": 100.0, "max": 200.0}}},
            "earlier has no trial that has ended with a value and lies in the space of this study",
        ),
    ],
)
def test_study_that_cannot_inform_is_named_with_the_reason(
    tmp_path: Path, settings: dict[str, Any], reason: str
) -> None:
    earlier(tmp_path, run_cap=2)
    study = warm(**settings)
    with pytest.raises(UserError) as error:
        read_searches(study, load(study.workload), tmp_path)
    assert reason in str(error.value)


def test_longer_trainings_are_laid_over_shorter_ones(tmp_path: Path) -> None:
    earlier(tmp_path, run_cap=2, baseline={"epochs": 16})
    study = warm()  # of 4 epochs
    (search,) = read_searches(study, load(study.workload), tmp_path)
    assert {epoch for trial in search.trials for epoch, _ in trial["curve"]} == {1, 2, 3, 4}


def test_trial_that_broke_is_no_value_to_be_reached(tmp_path: Path) -> None:
    earlier(
        tmp_path, method="grid", run_cap=0, parameters={"lr": {"values": [0.1, 0.2]}, "fault": {"values": ["nan", ""]}}
    )
    study = warm()
    (search,) = read_searches(study, load(study.workload), tmp_path)
    assert search.trials[0]["curve"] == [[1, None], [2, None]]


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"method": "tpe"}, "warm_start: informs method bayes, but method is tpe"),
        ({"warm_start": ["a", "a"]}, "warm_start.1: 'a' is given twice"),
        ({"warm_start": ["warm"]}, "warm_start.0: is this study"),
    ],
)
def test_rules_of_the_study_file(settings: dict[str, Any], rule: str) -> None:
    text = toy_text(**{"name": "warm", "method": "bayes", "warm_start": ["earlier"], **settings})
    with pytest.raises(StudyError, match=rule.replace("[", r"\[")):
        parse(from_text(text, "s.yaml"))
