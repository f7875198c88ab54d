"""The incumbent: the recipe with which the later stages go on, and when there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweeps import evidence
from sweeps.stages.confirm.candidates import NoCandidate
from sweeps.stages.incumbent import Incumbent, NotYet, incumbent, parameters_of
from sweeps.storage.results import Results
from sweeps.study.study import Study
from sweeps.workload import load
from tests.sweeps.support import run_inline, toy_gate, toy_study

GRID: dict[str, Any] = {
    "method": "grid",
    "run_cap": 0,
    "baseline": {"epochs": 1},
    "parameters": {"lr": {"values": [1.0, 0.1, 0.01]}},
}
CONFIRM = {"confirm": {"top": 2, "seeds": 2}}


def incumbent_of(study: Study, results: Results) -> Incumbent:
    return incumbent(results, toy_gate(study))


def test_without_a_search_it_is_the_baseline(tmp_path: Path) -> None:
    study = toy_study(parameters={}, run_cap=0, baseline={"lr": 0.3}, final={"seeds": 2})
    best = incumbent_of(study, Results(study, (), {}, tmp_path))
    assert (best.arm.name, best.origin, best.arm.settings["lr"]) == ("baseline", "baseline", 0.3)
    assert best.arm.cost["parameters"] == 128


def test_without_confirm_it_is_the_best_single_run(tmp_path: Path) -> None:
    study = toy_study(**GRID)
    best = incumbent_of(study, run_inline(study, tmp_path).results)
    assert (best.origin, best.arm.settings["lr"], best.arm.edits) == ("trial 1, one run", 0.1, {"lr": 0.1})


def test_best_by_a_metric_that_is_minimized_is_the_smallest(tmp_path: Path) -> None:
    study = toy_study(**{**GRID, "metric": {"name": "train_loss", "goal": "minimize"}})
    assert incumbent_of(study, run_inline(study, tmp_path).results).arm.settings["lr"] == 0.1


def test_confirmed_it_is_the_best_mean_over_fresh_seeds_whatever_a_single_run_said(tmp_path: Path) -> None:
    # All three are equal but for luck, so the means of confirm and not the search decide.
    baseline = {"epochs": 1, "lr": 0.1, "spread": 5.0}
    study = toy_study(**{**GRID, "baseline": baseline, "parameters": {"unused": {"values": [1, 2, 3]}},
                         "confirm": {"top": 3, "seeds": 3}})  # fmt: skip
    overturned = 0
    for seed in range(4):
        run = run_inline(study.model_copy(update={"seed": seed, "name": f"toy{seed}"}), tmp_path).results
        best, confirmed = incumbent_of(study, run), evidence.confirmation(run)
        assert confirmed is not None
        means = {level.arm.name: sum(level.values.values()) / 3 for level in confirmed.levels}
        assert best.origin == f"{max(means, key=lambda name: means[name])}, confirmed"
        overturned += best.arm.name != f"trial {run.ranked()[0].number}"
    assert overturned


def test_while_confirm_has_not_ended_there_is_none(tmp_path: Path) -> None:
    study = toy_study(**GRID, **CONFIRM)
    searched = run_inline(study, tmp_path, stage="search").results
    with pytest.raises(
        NotYet, match="toy: the stage confirm has not ended, so there is no incumbent yet; run it first"
    ):
        incumbent_of(study, searched)
    confirmed = run_inline(study, tmp_path).results
    grown = toy_study(**GRID, confirm={"top": 2, "seeds": 3})
    with pytest.raises(NotYet):  # one seed more is asked for than there are runs
        incumbent_of(grown, Results(grown, confirmed.trials, {}, confirmed.folder, confirmed.stages))


def test_search_without_a_finished_trial_has_none(tmp_path: Path) -> None:
    for settings in ({}, CONFIRM):
        study = toy_study(**GRID, **settings)
        with pytest.raises(NoCandidate, match="no trial of the search has completed"):
            incumbent_of(study, Results(study, (), {}, tmp_path))


def test_confirm_whose_runs_all_failed_leaves_none(tmp_path: Path) -> None:
    study = toy_study(**{**GRID, "baseline": {"epochs": 2, "fault": "peek later"}, "confirm": {"top": 1, "seeds": 2}})
    result = run_inline(study, tmp_path)
    with pytest.raises(NoCandidate, match="no run of the stage confirm has given a figure"):
        incumbent_of(study, result.results)


@pytest.mark.parametrize(
    ("parameters", "toggles", "expected"),
    [
        ({"lr": {"values": [0.05, 0.1]}}, [], {"lr": 0.05}),
        ({"net.width": {"values": [4, 8]}}, ["relu"], {"net.width": 8, "toggle.relu": True}),
        (
            {
                "net.act": {"values": ["relu", "tanh"]},
                "momentum": {"min": 0.0, "max": 0.9, "when": {"net.act": "tanh"}},
            },
            [],
            {"net.act": "relu"},  # a setting whose condition does not hold is not searched there
        ),
        ({"net.blocks": {"values": [[1, 1], [2, 2]]}}, [], {"net.blocks": (1, 1)}),
    ],
)
def test_baseline_has_values_for_what_is_searched(
    parameters: dict[str, Any], toggles: list[str], expected: dict[str, Any]
) -> None:
    study = toy_study(parameters=parameters, toggles=toggles)
    settings = toy_gate(study).baseline().settings
    own = parameters_of(study.space, load(study.workload), settings)
    assert own is not None
    assert {key: tuple(value) if isinstance(value, list) else value for key, value in own.items()} == expected
