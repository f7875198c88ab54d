"""Openings of a test set: recorded before they happen, counted across studies, and never repeated unasked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweeps.stages.final import Opened
from sweeps.storage.integrity import Damaged
from sweeps.storage.openings import FILE, Openings, SealedSet, fingerprint
from sweeps.storage.results import Results
from sweeps.trial.trial import Status, Trial
from tests.sweeps.support import Events, acknowledged, run_inline, toy_study

FINAL: dict[str, Any] = {
    "parameters": {},
    "run_cap": 0,
    "baseline": {"epochs": 2, "spread": 1.0},
    "final": {"seeds": 2},
}


def final(folder: Path, events: Events | None = None, *, open_again: bool = False, **settings: Any) -> Results:
    """Run a study that only opens the test set."""
    study = toy_study(**{**FINAL, **settings})
    result = run_inline(study, folder, events, open_again=open_again)
    assert not result.failure
    return result.results


def recorded(folder: Path) -> list[dict[str, Any]]:
    """Return the openings in the file of the runs folder."""
    path = folder / FILE
    return list(json.loads(path.read_text())) if path.exists() else []


def opened(folder: Path) -> list[str]:
    """Return the runs whose models the toy evaluated on its test set, in order."""
    path = folder / "data" / "opened.txt"
    return path.read_text().split() if path.exists() else []


class Watching(Events):
    """Note how many openings are recorded when the first model is about to be evaluated."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self.on_record: list[int] = []

    def on_start(self, stage: str, number: int, label: str, resumed_at: int) -> None:
        super().on_start(stage, number, label, resumed_at)
        if label.endswith(", evaluated"):
            assert len(opened(self._folder)) == len(self.on_record)
            self.on_record.append(len(recorded(self._folder)))


def test_opening_is_on_record_before_anything_is_opened_and_once_for_all_models(tmp_path: Path) -> None:
    events = Watching(tmp_path)
    results = final(tmp_path, events)
    assert events.on_record == [1, 1]
    (opening,) = recorded(tmp_path)
    assert (opening["study"], opening["runs"], opening["fingerprint"]) == ("toy", [0, 1], "toy")
    assert opening["command"].startswith("sweep")
    assert results.stages["final"].facts["openings"] == [opening]
    assert results.stages["final"].facts["earlier_openings"] == 0


def test_no_model_is_measured_before_all_are_trained(tmp_path: Path) -> None:
    events = Events()
    final(tmp_path, events)
    assert events.started == [(0, 0), (1, 0), (0, 2), (1, 2)]


def test_openings_are_counted_across_the_studies_of_one_test_set(tmp_path: Path) -> None:
    final(tmp_path)
    events = Events()
    results = final(tmp_path, events, name="second", seed=1)
    assert results.stages["final"].facts["earlier_openings"] == 1
    (note,) = events.notes
    assert note.startswith("this test set was opened 1 time before, last by toy at 20")
    elsewhere = Events()
    results = final(tmp_path, elsewhere, name="third", baseline={**FINAL["baseline"], "data": "another"})
    assert results.stages["final"].facts["earlier_openings"] == 0
    assert elsewhere.notes == []
    assert [(one["study"], one["fingerprint"]) for one in recorded(tmp_path)] == [
        ("toy", "toy"), ("second", "toy"), ("third", "another"),
    ]  # fmt: skip


class Killed(Events):
    """Interrupt the driver once, as a kill would, at the first event for which `when` is true."""

    def __init__(self, when: Callable[[str, int, str], bool]) -> None:
        super().__init__()
        self._when = when

    def on_start(self, stage: str, number: int, label: str, resumed_at: int) -> None:
        self._at("start", number, label)

    def on_epoch(self, stage: str, number: int, epoch: int, metrics: Any) -> None:
        self._at("epoch", number, str(epoch))

    def on_end(self, trial: Trial) -> None:
        self._at("end", trial.number, trial.status)

    def _at(self, event: str, number: int, what: str) -> None:
        if self._when(event, number, what):
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("when", "on_record"),
    [
        (lambda event, number, what: (event, number) == ("start", 1) and "evaluated" not in what, 0),
        (lambda event, number, what: (event, number, what) == ("epoch", 1, "2"), 0),
        (lambda event, number, what: (event, number) == ("start", 0) and "evaluated" in what, 1),
        (lambda event, number, what: (event, number) == ("end", 0), 1),
        (lambda event, number, what: (event, number) == ("start", 1) and "evaluated" in what, 1),
        (lambda event, number, what: (event, number) == ("end", 1), 1),
    ],
    ids=["one trained", "last epoch", "opened", "one measured", "second begun", "all measured"],
)
def test_opening_that_a_kill_broke_off_goes_on_as_the_same_one(
    tmp_path: Path, when: Callable[[str, int, str], bool], on_record: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        final(tmp_path, Killed(when))
    assert len(recorded(tmp_path)) == on_record
    trained = acknowledged(tmp_path)
    results = final(tmp_path)
    assert len(recorded(tmp_path)) == 1
    assert [trial.status for trial in results.stages["final"].trials] == [Status.COMPLETE] * 2
    if on_record:  # every model had been trained
        assert acknowledged(tmp_path) == trained
    assert set(opened(tmp_path)) == {"0000", "0001"}
    assert set(acknowledged(tmp_path)) == {(0, 1), (0, 2), (1, 1), (1, 2)}
    assert len(acknowledged(tmp_path)) <= 4 + (not on_record)  # the epoch whose checkpoint the kill left out


class KilledAtTheNote(Events):
    """Interrupt at the note about earlier openings, when every model is trained and nothing is opened."""

    def on_note(self, text: str) -> None:
        raise KeyboardInterrupt


def test_models_that_wait_for_the_opening_are_not_trained_again_after_a_kill(tmp_path: Path) -> None:
    final(tmp_path, name="other", seed=1)
    with pytest.raises(KeyboardInterrupt):
        final(tmp_path, KilledAtTheNote())
    assert [one["study"] for one in recorded(tmp_path)] == ["other"]
    trained = acknowledged(tmp_path)
    assert len(trained) == 2 * 4
    events = Events()
    final(tmp_path, events)
    assert acknowledged(tmp_path) == trained
    assert events.started == [(0, 2), (1, 2)]
    assert [one["study"] for one in recorded(tmp_path)] == ["other", "toy"]


def test_growth_without_consent_is_refused_and_trains_nothing(tmp_path: Path) -> None:
    before = final(tmp_path)
    moment = recorded(tmp_path)[0]["at"]
    trained, seen = acknowledged(tmp_path), opened(tmp_path)
    with pytest.raises(Opened) as refused:
        final(tmp_path, final={"seeds": 3})
    assert str(refused.value).startswith(f"toy: its test set was opened at {moment} by `sweep")
    way = "use --open-again (open_again=True) to allow it"
    assert str(refused.value).endswith(f"1 further run would open it again; {way}")
    assert (acknowledged(tmp_path), opened(tmp_path), len(recorded(tmp_path))) == (trained, seen, 1)
    assert final(tmp_path).stages["final"].trials == before.stages["final"].trials


def test_growth_after_other_stages_is_refused_too(tmp_path: Path) -> None:
    settings = {**FINAL, "ablation": {"baseline": "given", "components": ["relu"], "seeds": 2}}
    run_inline(toy_study(**settings), tmp_path)
    before = (tmp_path / "toy" / "study.yaml").read_text()
    trained = acknowledged(tmp_path)
    with pytest.raises(Opened, match="use --open-again"):
        run_inline(toy_study(**{**settings, "final": {"seeds": 3}}), tmp_path)
    assert acknowledged(tmp_path) == trained
    assert (tmp_path / "toy" / "study.yaml").read_text() == before


def test_with_consent_a_second_opening_measures_the_new_runs_alone_and_is_counted(tmp_path: Path) -> None:
    before = final(tmp_path)
    results = final(tmp_path, open_again=True, final={"seeds": 3})
    assert [opening["runs"] for opening in recorded(tmp_path)] == [[0, 1], [2]]
    assert opened(tmp_path) == ["0000", "0001", "0002"]
    assert len(results.stages["final"].facts["openings"]) == 2
    assert results.stages["final"].trials[:2] == before.stages["final"].trials


def test_consent_without_anything_new_opens_nothing(tmp_path: Path) -> None:
    final(tmp_path)
    final(tmp_path, open_again=True)
    assert (len(recorded(tmp_path)), len(opened(tmp_path))) == (1, 2)


@pytest.mark.parametrize(
    ("fault", "status", "reason", "counts"),
    [
        ("no model", Status.FAILED, "RuntimeError: the model cannot be read", False),
        ("accuracy left out", Status.FAILED, "evaluate gave no 'accuracy' for the test set; it gave: loss", True),
        ("sets left out", Status.FAILED, "evaluate gave no 'accuracy' for the test set; it gave: nothing", False),
        ("accuracy nan", Status.DIVERGED, "accuracy was nan on the test set", True),
    ],
)
def test_evaluation_that_goes_wrong_is_recorded_and_its_opening_counts_if_it_gave_a_figure(
    tmp_path: Path, fault: str, status: Status, reason: str, counts: bool
) -> None:
    results = final(tmp_path, baseline={"epochs": 2, "fault": fault})
    trials = results.stages["final"].trials
    assert [(trial.status, trial.reason, trial.value, trial.metrics) for trial in trials] == [
        (status, reason, None, {})
    ] * 2
    assert [trial.figure for trial in trials] == [10.0 if status is Status.DIVERGED else None] * 2  # chance
    (opening,) = recorded(tmp_path)
    assert opening.get("void", "") == ("" if counts else reason)
    assert len(Openings(tmp_path).of(SealedSet("toy"))) == counts
    assert len(results.stages["final"].facts.get("openings", ())) == counts


def test_figure_that_is_no_number_beside_a_sound_one_is_kept_and_the_study_can_be_read_again(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"baseline": {"epochs": 2, "fault": "test loss nan"}}
    first = final(tmp_path, **settings)
    again = final(tmp_path, **settings)
    for results in (first, again):
        for trial in results.stages["final"].trials:
            assert trial.status is Status.COMPLETE
            assert trial.metrics["test"]["accuracy"] == trial.value
            assert str(trial.metrics["test"]["loss"]) == "nan"


def test_data_without_a_fingerprint_are_counted_under_the_workloads_name() -> None:
    assert fingerprint({"data": {"fingerprint": "abc"}, "workload": {"name": "toy"}}) == "abc"
    assert fingerprint({"data": {}, "workload": {"name": "toy"}}) == "toy"


@pytest.mark.parametrize("content", ["[{", "{}x", '[{"at": 1}]', "[1]", '{"a": 1}'])
def test_count_that_cannot_be_read_is_never_begun_anew_by_the_way(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(Damaged, match=r"openings\.json cannot be read.*restore it from a backup, or move it aside"):
        Openings(tmp_path).of(SealedSet("toy"))
    with pytest.raises(Damaged):
        final(tmp_path)
    assert (tmp_path / FILE).read_text() == content
    assert acknowledged(tmp_path) == []
