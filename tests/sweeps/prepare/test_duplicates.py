"""Images that a study has twice are found before anything is trained; test images in training are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import sweeps
from sweeps.duplicates.record import DuplicateRecord
from sweeps.forecast import StudyPlan, plan
from sweeps.prepare.duplicates import Leaked, find_duplicates
from sweeps.prepare.prepared import Infeasible
from sweeps.storage.runs import open_results
from sweeps.workload import Site, load
from tests.sweeps import letters
from tests.sweeps.support import sweep

STUDY: dict[str, Any] = {
    "name": "letters",
    "question": "Are they known?",
    "workload": "tests.sweeps.letters",
    "metric": {"name": "val_accuracy", "goal": "maximize"},
    "method": "random",
    "run_cap": 2,
    "parameters": {"lr": {"min": 0.1, "max": 1.0}},
}
FINAL = {"parameters": {}, "run_cap": 0, "final": {"seeds": 2}}


def run(folder: Path, baseline: dict[str, Any], **settings: Any) -> sweeps.StudyOutcome:
    options = {name: settings.pop(name) for name in ("smoke", "fresh") if name in settings}
    folders = {"runs_dir": folder / "runs", "reports_dir": folder / "reports", "data_dir": folder / "data"}
    study = {**STUDY, "baseline": baseline, **settings}
    return sweeps.run(study, **folders, runner="inline", quiet=True, **options)


def planned(folder: Path, baseline: dict[str, Any]) -> StudyPlan:
    study = sweeps.Study.from_dict({**STUDY, "baseline": baseline})
    previous = open_results(folder / "runs", "letters") if (folder / "runs" / "letters").exists() else None
    return plan(study.definition, load("tests.sweeps.letters"), folder / "data", probing=False, previous=previous)


def record(folder: Path, name: str = "letters") -> DuplicateRecord:
    environment = json.loads((folder / "runs" / name / "environment.json").read_text())
    found = DuplicateRecord.of(environment)
    assert found is not None
    return found


def logged(folder: Path, name: str) -> list[str]:
    file = folder / "data" / name
    return file.read_text().split() if file.exists() else []


LEAKY = {"train": "abWcXd", "test": "wxyWzz"}
REFUSED = (
    "3 of 6 test images are in the part train too (1 equal, 2 near duplicates; number in train = number in test: "
    "2 = 3, 2 = 0, 4 = 1). The test set would measure what was learned by heart, so nothing was trained: remove them "
    "from the training data; or train without them by --set baseline.duplicates=drop; or with them by "
    "--set baseline.duplicates=keep, which shows the figure of the test set with and without them"
)


@pytest.mark.parametrize("settings", [{}, FINAL, {"smoke": True}], ids=["search", "final", "smoke"])
def test_test_images_in_training_are_refused_before_anything_is_written(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    with pytest.raises(Leaked) as refused:
        run(tmp_path, LEAKY, **settings)
    assert str(refused.value) == REFUSED
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_next_smoke_run_replaces_the_file_with_the_pairs(tmp_path: Path) -> None:
    for _ in range(2):
        assert run(tmp_path, {**LEAKY, "duplicates": "keep"}, smoke=True).complete
    assert (tmp_path / "runs" / "letters-smoke" / "duplicates.json").exists()


def test_plan_refuses_too(tmp_path: Path) -> None:
    with pytest.raises(Leaked, match="3 of 6 test images are in the part train too"):
        planned(tmp_path, LEAKY)


def test_command_ends_with_exit_code_2_and_names_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "letters.yaml").write_text(json.dumps({**STUDY, "baseline": LEAKY, **FINAL}))
    words = ("run", "letters.yaml", "--runner", "inline", "--data-dir", "data")
    refused = sweep(*words, cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert REFUSED in " ".join(refused.stderr.split())
    kept = sweep(*words, "--set", "baseline.duplicates=keep", cwd=tmp_path)
    assert kept.returncode == 0, kept.stderr
    found = "train 6, test 6: 3 test images in train (1 equal, 2 near); duplicates: keep"
    assert f"{found}" in " ".join(kept.stderr.split())


@pytest.mark.parametrize("choice", ["keep", "drop"])
def test_users_word_lets_them_in_and_all_pairs_are_kept_with_the_study(tmp_path: Path, choice: str) -> None:
    assert run(tmp_path, {**LEAKY, "duplicates": choice}).complete
    found = record(tmp_path)
    (within, leak) = found.overlaps
    assert (found.choice, found.key, found.near, found.late) == (choice, "duplicates", True, False)
    assert found.sizes == {"train": 6, "test": 6}
    assert (within.exact, within.near) == ((0, 0), (0, 0))
    assert (leak.exact, leak.near) == ((1, 1), (1, 2))
    assert leak.pairs == ((2, 3, "equal"), (2, 0, "near"), (4, 1, "near"))
    (_, pairs) = json.loads((tmp_path / "runs" / "letters" / "duplicates.json").read_text())["pairs"]
    assert pairs == {"first": "train", "second": "test", "exact": [[2, 3]], "near": [[2, 0], [4, 1]]}


def test_unlabelled_images_are_compared_with_the_test_set(tmp_path: Path) -> None:
    with pytest.raises(Leaked, match="1 of 4 test images are in the part unlabelled too"):
        run(tmp_path, {"unlabelled": "klmw"})


def test_further_sets_and_copies_within_training_are_told_but_not_refused(tmp_path: Path) -> None:
    assert run(tmp_path, {"train": "aaAbcb"}, **FINAL, evaluate=["wpb"]).complete
    within, leak, train_further, test_further = record(tmp_path).overlaps
    assert (within.exact, within.near) == ((2, 2), (1, 1))
    assert leak.images(1) == 0
    assert (train_further.second, train_further.exact) == ("wpb", (2, 1))
    assert (test_further.first, test_further.exact) == ("test", (1, 1))


def test_second_start_compares_nothing(tmp_path: Path) -> None:
    baseline = {**LEAKY, "duplicates": "keep"}
    run(tmp_path, baseline)
    first = record(tmp_path)
    assert logged(tmp_path, "confirmed.txt") == ["2"]
    assert not [note for note in planned(tmp_path, baseline).notes if "duplicates" in note]
    assert run(tmp_path, baseline, run_cap=3).complete
    assert logged(tmp_path, "confirmed.txt") == ["2"]
    assert record(tmp_path) == first


def test_finished_study_does_not_read_its_images_again(tmp_path: Path) -> None:
    run(tmp_path, {})
    hashed = logged(tmp_path, "hashed.txt")
    assert run(tmp_path, {}).complete
    assert logged(tmp_path, "hashed.txt") == hashed
    assert record(tmp_path).sizes == {"train": 4, "test": 4}


def test_plan_shows_what_was_compared(tmp_path: Path) -> None:
    (note,) = [note for note in planned(tmp_path, {}).notes if "duplicates" in note]
    assert note.endswith("train 4, test 4: none found")


def test_study_begun_before_its_images_were_checked_goes_on(tmp_path: Path) -> None:
    run(tmp_path, {**LEAKY, "duplicates": "keep"}, run_cap=1)
    file = tmp_path / "runs" / "letters" / "environment.json"
    environment = json.loads(file.read_text())
    del environment["duplicates"]
    file.write_text(json.dumps(environment))
    study = tmp_path / "runs" / "letters" / "study.yaml"
    study.write_text(study.read_text().replace("keep", "refuse"))
    for runs in (2, 3):
        assert run(tmp_path, {**LEAKY, "duplicates": "refuse"}, run_cap=runs).complete
        found = record(tmp_path)
        assert (found.choice, found.late, len(found.leaks)) == ("refuse", True, 1)


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    for name in names:
        monkeypatch.delattr(letters, name)


def test_workload_without_the_answer_by_pixels_is_checked_for_equal_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "confirm_duplicates")
    run(tmp_path, {"train": "abW"})
    assert str(record(tmp_path)) == "train 3, test 4: none found; near duplicates not looked for"


def test_workload_without_a_policy_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "duplicate_policy")
    with pytest.raises(Leaked, match=r"so nothing was trained: remove them from the training data$"):
        run(tmp_path, {**LEAKY, "duplicates": "keep"})


def test_workload_without_hashes_is_not_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "image_hashes")
    assert run(tmp_path, LEAKY).complete
    environment = json.loads((tmp_path / "runs" / "letters" / "environment.json").read_text())
    assert "duplicates" not in environment
    assert not (tmp_path / "runs" / "letters" / "duplicates.json").exists()


def test_images_that_cannot_be_hashed_are_an_error_of_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(recipe: Any, site: Any) -> None:
        raise ValueError("image 3 of test is damaged")

    monkeypatch.setattr(letters, "image_hashes", broken)
    with pytest.raises(Infeasible, match="could not be compared to find duplicates: image 3 of test is damaged"):
        run(tmp_path, {})


def test_status_line_says_what_takes_the_time(tmp_path: Path) -> None:
    said: list[str] = []
    site = Site(tmp_path, "cpu")
    find_duplicates(load("tests.sweeps.letters"), letters.Letters(), site, {}, said.append)
    assert said == ["looking for duplicate images"]
