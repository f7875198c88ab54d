"""Smoke runs: the settings that are made small, the stages that are left out, and the error when nothing is left."""

from __future__ import annotations

from typing import Any

import pytest

from sweeps.prepare.smoke import NothingLeft, shrink
from sweeps.study.document import from_text
from sweeps.study.stages import requested_stages
from sweeps.study.study import Study, dump, parse
from sweeps.workload import load
from tests.sweeps.support import ASHA, toy_study

ABLATION: dict[str, Any] = {
    "components": {"handicap": {"handicap": 4.0}},
    "seeds": {"min": 6, "max": 24, "precision": 1},
}


def small(**settings: Any) -> Study:
    study = toy_study(**settings)
    return shrink(study, load(study.workload))


def stages(study: Study) -> list[str]:
    return [stage.name for stage in requested_stages(study, None)]


def test_every_stage_but_final_is_run_with_two_of_each() -> None:
    whole = {"early_terminate": ASHA, "confirm": {"top": 5, "seeds": 4}, "ablation": ABLATION, "final": {"seeds": 3}}
    study = small(**whole, evaluate=["shifted"])
    assert (study.name, stages(study)) == ("toy-smoke", ["search", "confirm", "ablation"])
    assert study.confirm is not None
    assert study.ablation is not None
    assert (study.run_cap, study.confirm.top, study.confirm.seeds, study.ablation.seeds) == (2, 2, 2, 2)
    assert (study.early_terminate, study.final, study.evaluate) == (None, None, ())
    assert study.baseline == {"epochs": 1}


def test_path_and_fewer_asked_for_stay_as_they_are() -> None:
    study = small(run_cap=1, confirm={"top": 1, "seeds": 2}, ablation={"design": "path", "seeds": 6})
    assert study.ablation is not None
    assert (study.run_cap, study.ablation.design, study.ablation.seeds) == (1, "path", 2)


def test_study_without_a_search_runs_its_ablation_alone() -> None:
    study = small(parameters={}, run_cap=0, ablation={**ABLATION, "baseline": "given"}, final={"seeds": 3})
    assert stages(study) == ["ablation"]


def test_smoke_study_is_what_its_file_says() -> None:
    study = small(early_terminate=ASHA, confirm={"top": 5, "seeds": 4}, ablation=ABLATION, final={"seeds": 3})
    parsed = parse(from_text(dump(study), "study.yaml"))
    assert study == parsed
    assert repr(study) == repr(parsed)


def test_ablation_takes_the_baseline_where_what_was_searched_is_made_small() -> None:
    searched = {"epochs": {"values": [2, 4]}}
    study = small(parameters=searched, run_cap=2, confirm={"top": 2, "seeds": 2}, ablation=ABLATION)
    assert stages(study) == ["ablation"]
    assert study.ablation is not None
    assert study.ablation.baseline == "given"


@pytest.mark.parametrize(
    "settings",
    [{"parameters": {}, "run_cap": 0, "final": {"seeds": 2}}, {"parameters": {"epochs": {"values": [2, 4]}}}],
)
def test_study_of_which_nothing_is_left_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(NothingLeft, match=r"nothing is left for a smoke run.*\(epochs\): search another setting"):
        small(**settings)
