"""A test set that could not be evaluated is found before anything is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import sweeps
from sweeps.forecast import StudyPlan, plan
from sweeps.io.errors import UserError
from sweeps.workload import Site, load
from tests.sweeps.support import TOY, acknowledged, toy_study

FINAL = {"run_cap": 2, "final": {"seeds": 2}}
MESSAGES = {"missing": "no test set in", "broken": "the stage final could not evaluate its models, .* 0 to 9 but are 1"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path


def run(folder: Path, stage: str | None = None, **settings: Any) -> sweeps.StudyOutcome:
    folders = {"runs_dir": folder / "runs", "reports_dir": folder / "reports", "data_dir": folder / "data"}
    return sweeps.run({**TOY, **FINAL, **settings}, **folders, runner="inline", stage=stage, quiet=True)


def planned(folder: Path, **settings: Any) -> StudyPlan:
    study = toy_study(**{"run_cap": 2, **settings})
    return plan(study, load(study.workload), folder / "data", probing=False)


@pytest.mark.parametrize(("state", "stage"), [("missing", None), ("broken", "search")])
def test_nothing_is_trained_or_written(folder: Path, state: str, stage: str | None) -> None:
    (folder / "data" / "test.txt").write_text(state)
    with pytest.raises(UserError, match=MESSAGES[state]):
        run(folder, stage)
    assert not (folder / "runs" / "toy").exists()
    assert not (folder / "runs" / ".openings.json").exists()
    assert not acknowledged(folder)


def test_same_study_goes_on_once_the_data_is_mended_and_needs_it_no_more_once_it_is_finished(folder: Path) -> None:
    (folder / "data" / "test.txt").write_text("missing")
    with pytest.raises(UserError, match=MESSAGES["missing"]):
        run(folder)
    (folder / "data" / "test.txt").unlink()
    assert run(folder).complete
    assert len(json.loads((folder / "runs" / ".openings.json").read_text())) == 1
    (folder / "data" / "test.txt").write_text("missing")
    assert run(folder).complete


def test_study_begun_before_the_test_set_went_wrong_stops_before_its_next_trial(folder: Path) -> None:
    assert run(folder, final=None).complete
    trained = acknowledged(folder)
    (folder / "data" / "test.txt").write_text("broken")
    with pytest.raises(UserError, match=MESSAGES["broken"]):
        run(folder)
    assert acknowledged(folder) == trained


@pytest.mark.parametrize("state", ["missing", "broken"])
def test_plan_refuses_it_where_the_study_has_a_final_and_warns_where_it_has_none(folder: Path, state: str) -> None:
    (folder / "data" / "test.txt").write_text(state)
    with pytest.raises(UserError, match=MESSAGES[state]):
        planned(folder, final={"seeds": 2})
    (caution,) = [each for each in planned(folder).cautions if "final" in each]
    assert caution.startswith("a stage final could not be added as the data is now: ")


def test_study_without_a_final_is_run_whatever_the_test_set(folder: Path) -> None:
    (folder / "data" / "test.txt").write_text("broken")
    assert run(folder, final=None).complete


def test_notes_of_the_check_are_shown_with_the_plan(folder: Path) -> None:
    (folder / "data" / "test.txt").write_text("3 files are not read: .txt 3")
    assert "3 files are not read: .txt 3" in planned(folder, final={"seeds": 2}).notes


def test_workload_without_the_check_has_nothing_to_say(tmp_path: Path) -> None:
    bare = load("tests.sweeps.pupils")
    assert not bare.has("check_test_data")
    assert bare.check_test_data(None, Site(tmp_path, "cpu")) == []
