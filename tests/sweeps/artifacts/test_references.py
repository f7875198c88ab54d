"""References to models of other studies: their form, the errors, and their effect on runs and reports."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweeps.artifacts.references import Reference, find, is_reference, models
from sweeps.engine import execute as engine
from sweeps.engine.launch import Folders, Options, launch
from sweeps.evidence.findings import Findings
from sweeps.io.errors import Unavailable
from sweeps.prepare.prepared import settle
from sweeps.prepare.smoke import with_smoke_models
from sweeps.report.answer import whole_answer
from sweeps.report.tables.outcomes import ends
from sweeps.runners.inline import InlineRunner
from sweeps.storage.drift import Drifted
from sweeps.storage.results import Results
from sweeps.study.document import from_text
from sweeps.study.stages import RunRequest, requested_stages
from sweeps.study.study import Study
from sweeps.trial.trial import Status
from sweeps.validation.checks import accept
from sweeps.workload import load
from sweeps.workload.run import Run
from tests.sweeps.support import Events

STUDY: dict[str, Any] = {
    "name": "teachers",
    "question": "Who teaches best?",
    "workload": "tests.sweeps.pupils",
    "method": "grid",
    "metric": {"name": "val_accuracy", "goal": "maximize"},
}
TEACHERS: dict[str, Any] = {
    "parameters": {"points": {"values": [10.0, 20.0]}},
    "ablation": {"components": {"weak": {"points": 1.0}}, "seeds": 2},
    "final": {"seeds": 2},
}


def study(**settings: Any) -> Study:
    return accept(from_text(json.dumps({**STUDY, **settings}), "s.yaml"))[0]


def run(asked_for: Study, runs: Path, *, cache: bool = True, known: dict[str, Any] | None = None) -> Results:
    prepared = settle(asked_for, load(asked_for.workload), runs / "data", known or {}, runs)
    request = RunRequest(requested_stages(asked_for, None))
    result = engine.run(prepared, runs / asked_for.name, InlineRunner, Events(), request, cache)
    return result.results


def pupils(components: dict[str, Any] | None = None, **settings: Any) -> Study:
    """Return a study of two arms: the baseline, which has a teacher, and one without."""
    ablation = {"baseline": "given", "components": components or {"alone": {"teacher": ""}}, "seeds": 2}
    return study(**{"name": "pupils", "baseline": {"teacher": "teachers:1"}, "ablation": ablation, **settings})


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("taught")
    run(study(**TEACHERS), folder)
    return folder


@pytest.fixture
def runs(taught: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(taught, tmp_path / "runs"))


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("teachers:1", "teachers/trials/0001"),
        ("teachers:search/1", "teachers/trials/0001"),
        ("teachers:ablation/3", "teachers/ablation/0003"),
        ("teachers:final/0", "teachers/final/0000"),
    ],
)
def test_reference_names_a_trial_of_any_stage(taught: Path, text: str, folder: str) -> None:
    saved = find(taught, text)
    assert saved.folder == taught / folder / "checkpoint" / "0002"
    assert set(saved.settings) == {"teacher", "points", "epochs", "patience", "draws"}
    assert is_reference(text)


@pytest.mark.parametrize(
    "text", ["teachers", "../teachers:1", "teachers:../1", "/tmp/x.pt", "a:b:1", "teachers:-1", ""]
)
def test_other_text_is_no_reference(taught: Path, text: str) -> None:
    assert not is_reference(text)
    with pytest.raises(Unavailable, match="write STUDY:NUMBER"):
        find(taught, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("teacher:1", "unknown study 'teacher'; did you mean 'teachers'? valid: teachers"),
        ("teachers:9", "no such trial; those with a checkpoint: teachers:0, teachers:1, teachers:ablation/0, "),
        ("teachers:confirm/0", "no such trial; those with a checkpoint: teachers:0"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(taught: Path, text: str, message: str) -> None:
    with pytest.raises(Unavailable) as caught:
        find(taught, text)
    assert message in str(caught.value)


def test_nothing_stands_in_for_the_model_of_a_finished_trial(runs: Path) -> None:
    checkpoints = runs / "teachers" / "trials" / "0001" / "checkpoint"
    assert [path.name for path in checkpoints.iterdir()] == ["0002"]  # an older checkpoint is never used
    before = (checkpoints / "0002" / "state.json").read_text()
    (checkpoints / "0002" / "state.json").write_text("{}")
    with pytest.raises(Unavailable, match="no intact checkpoint in"):
        find(runs, "teachers:1")
    assert Reference("teachers", 1) not in models(runs, "teachers")
    (checkpoints / "0002" / "state.json").write_text(before)
    assert find(runs, "teachers:1").folder.name == "0002"
    shutil.rmtree(checkpoints)
    with pytest.raises(Unavailable, match="no intact checkpoint in"):
        find(runs, "teachers:1")


def test_study_without_any_model_is_told_how_an_archive_packs_them(runs: Path) -> None:
    for checkpoints in (runs / "teachers").glob("*/*/checkpoint"):
        shutil.rmtree(checkpoints)
    with pytest.raises(Unavailable, match=r"no other trial has one either.*`sweep archive --checkpoints` packs them"):
        find(runs, "teachers:1")


def test_run_taken_from_the_result_cache_has_the_model_of_the_run_that_was_trained(runs: Path) -> None:
    run(study(**{**TEACHERS, "name": "again"}), runs)
    assert not (runs / "again" / "trials" / "0001" / "checkpoint").exists()
    assert find(runs, "again:1") == find(runs, "teachers:1")


def test_run_without_a_runs_folder_finds_none(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="in a runs folder only"):
        Run(0, 0, "cpu", tmp_path, tmp_path).saved("teachers:1")


def test_pupil_learns_from_its_teacher_and_the_study_says_from_which(runs: Path) -> None:
    results = run(pupils(), runs)
    stage = results.stages["ablation"]
    assert {trial.variant: trial.value for trial in stage.trials} == {"baseline": 20.0 + 20.0, "alone": 20.0}
    model = find(runs, "teachers:1")
    assert results.environment["references"] == {
        "teacher": {"reference": "teachers:1", "study": "teachers/search/1", "digest": model.digest}
    }


@pytest.mark.parametrize("teacher", ["teachers:7", "nobody:0"])
def test_study_whose_teacher_is_not_there_does_not_begin(runs: Path, teacher: str) -> None:
    with pytest.raises(Unavailable, match=f"^teacher: {teacher}: "):
        run(pupils(baseline={"teacher": teacher}), runs)
    assert not (runs / "pupils").exists()


def test_arm_whose_teacher_is_not_there_fails_with_the_reason_and_the_others_go_on(runs: Path) -> None:
    results = run(pupils({"alone": {"teacher": ""}, "lost": {"teacher": "teachers:7"}}), runs)
    outcomes = [(trial.variant, trial.status) for trial in results.stages["ablation"].trials]
    assert outcomes == [
        ("baseline", Status.COMPLETE), ("alone", Status.COMPLETE), ("lost", Status.FAILED),
        ("baseline", Status.COMPLETE), ("alone", Status.COMPLETE), ("lost", Status.FAILED),
    ]  # fmt: skip
    reason = results.stages["ablation"].trials[2].reason
    assert reason.startswith("teacher: teachers:7: teachers has no such trial; those with a checkpoint: teachers:0, ")
    assert [each.status for each in ends(results)] == ["failed"]


def test_file_in_the_place_of_a_reference_is_the_workloads_own_affair(tmp_path: Path) -> None:
    results = run(pupils(baseline={"teacher": "weights/net.pt"}), tmp_path)
    assert "references" not in results.environment
    assert {trial.status for trial in results.stages["ablation"].trials} == {Status.COMPLETE}


def retrain(runs: Path) -> None:
    """Replace the trial by that of a teacher with another accuracy."""
    shutil.rmtree(runs / "teachers")
    run(study(**{**TEACHERS, "parameters": {"points": {"values": [10.0, 2.0]}}}), runs)


def test_run_that_learned_from_another_teacher_is_another_run(runs: Path) -> None:
    run(pupils(), runs)
    again = run(pupils(name="again"), runs).stages["ablation"].trials
    assert [bool(trial.source) for trial in again] == [True] * 4
    retrain(runs)
    other = run(pupils(name="other"), runs).stages["ablation"].trials
    assert [(trial.variant, bool(trial.source)) for trial in other] == [("baseline", False), ("alone", True)] * 2
    assert other[0].value == 2.0 + 20.0


def test_study_does_not_go_on_with_another_teacher_of_the_same_name(runs: Path) -> None:
    options = Options(Folders(runs, runs.parent / "reports", runs / "data"), "inline", quiet=True)
    launch(pupils(), load(pupils().workload), options)
    retrain(runs)
    grown = pupils(ablation={**pupils().model_dump()["ablation"], "seeds": 3})
    with pytest.raises(Drifted, match=r"model teacher: [0-9a-f]{12} -> [0-9a-f]{12}\n.*--accept-drift"):
        launch(grown, load(grown.workload), options)


def smoke(asked_for: Study, runs: Path) -> Results:
    options = Options(Folders(runs, runs.parent / "reports", runs / "data"), "inline", smoke=True, quiet=True)
    return launch(asked_for, load(asked_for.workload), options).results


def test_smoke_run_goes_on_from_the_smoke_run_of_its_teachers(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    components = {"alone": {"teacher": ""}, "other": {"teacher": "teachers:ablation/2"}}
    with pytest.raises(Unavailable, match=r"run `sweep run studies/teachers\.yaml --smoke` first"):
        smoke(pupils(components), runs)
    smoke(study(**TEACHERS), runs)
    results = smoke(pupils(components), runs)
    latest = str([model for model in models(runs, "teachers-smoke") if model.stage == "search"][-1])
    assert results.study.baseline == {"teacher": latest, "epochs": 1}
    arms = {arm.name: arm.settings["teacher"] for arm in results.stages["ablation"].arms}
    assert arms == {"baseline": latest, "alone": "", "other": latest}
    assert {trial.status for trial in results.stages["ablation"].trials} == {Status.COMPLETE}


def test_a_teacher_of_the_same_data_is_said_to_have_seen_the_validation_images(runs: Path) -> None:
    teaching = {"alone": {"teacher": ""}, "other": {"teacher": "teachers:ablation/2"}}
    answer = whole_answer(Findings.of(run(pupils(teaching), runs)))
    assert "Runs of this study learn from teachers:1, teachers:ablation/2, trained on the same data" in "\n".join(
        answer
    )
    file = runs / "teachers" / "environment.json"
    file.write_text(file.read_text().replace('"fingerprint": "pupils"', '"fingerprint": "elsewhere"'))
    answer = whole_answer(Findings.of(run(pupils(teaching, name="others"), runs)))
    assert answer
    assert not any("same data" in sentence for sentence in answer)


def test_smoke_run_prefers_the_trial_itself_and_replaces_searched_values_too(runs: Path) -> None:
    shutil.copytree(runs / "teachers", runs / "gone-smoke")
    searched = {"teacher": {"values": ["", "gone:5", "teachers:0"]}, "draws": {"value": 3}}
    asked_for = study(name="pupils", baseline={"teacher": "teachers:1"}, parameters=searched)
    smoke_study = with_smoke_models(asked_for, load(asked_for.workload), runs)
    assert smoke_study.baseline == {"teacher": "teachers:1"}
    assert smoke_study.parameters["teacher"].values == ("", "gone-smoke:1", "teachers:0")
    assert smoke_study.parameters["draws"].value == 3


DAMAGED: dict[str, Callable[[Path], object]] = {
    "of another form": lambda folder: (folder / "record.json").write_text("[]"),
    "that leads out": lambda folder: (folder / "record.json").write_text('{"source": "../teachers/search/1"}'),
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_record_that_cannot_be_relied_on_leads_nowhere(runs: Path, damage: Callable[[Path], object]) -> None:
    folder = runs / "teachers" / "trials" / "0001"
    shutil.rmtree(folder / "checkpoint")
    damage(folder)
    with pytest.raises(Unavailable, match="no intact checkpoint"):
        find(runs, "teachers:1")
