"""Other programs may write to study.db while a study runs, as Optuna's own tools do: nothing of ours is harmed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import create_trial

from sweeps.engine.repair import repair
from sweeps.report import answer_sentences
from sweeps.storage.runs import open_results, open_snapshot
from sweeps.storage.study_storage import StudyStorage
from sweeps.trial.trial import Status
from tests.sweeps.support import Events, Interrupting, run_inline, toy_study

STUDY = toy_study(run_cap=4, baseline={"epochs": 2})
Act = Callable[[optuna.Study], Any]


def as_optuna_does(folder: Path, name: str = "search") -> optuna.Study:
    """Return a study of the database as a program without this engine opens it."""
    return optuna.load_study(storage=RDBStorage(f"sqlite:///{folder / 'toy' / 'study.db'}"), study_name=name)


class Meddling(Events):
    """Does something to study.db, as another program, at the first epoch of trial `at`."""

    def __init__(self, folder: Path, act: Act, at: int = 1) -> None:
        super().__init__()
        self.folder, self.act, self.at = folder, act, at
        self.done = False

    def on_epoch(self, stage: str, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        super().on_epoch(stage, number, epoch, metrics)
        if number == self.at and not self.done:
            self.done = True
            self.act(as_optuna_does(self.folder))


def add_finished(study: optuna.Study) -> None:
    study.add_trial(create_trial(value=999.0, params={}, distributions={}))


def fail(study: optuna.Study) -> None:
    study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)


def numbers(folder: Path) -> list[tuple[int]]:
    """The numbers of the search's trials in the database, in the order in which they were added."""
    with closing(sqlite3.connect(folder / "toy" / "study.db")) as database:
        return [
            number for (number,) in database.execute("SELECT number FROM trials WHERE study_id = 1 ORDER BY trial_id")
        ]


@pytest.mark.parametrize("act", [lambda study: study.ask(), add_finished, fail], ids=["ask", "complete", "fail"])
def test_trial_of_another_program_is_left_out_and_the_study_completes(tmp_path: Path, act: Act) -> None:
    events = Meddling(tmp_path, act)
    result = run_inline(STUDY, tmp_path, events)
    assert result.complete, result.failure
    assert [trial.number for trial in result.results.trials] == [0, 1, 3, 4]
    assert numbers(tmp_path) == [0, 1, 2, 3, 4]
    assert result.results.foreign == 1
    assert "1 trial in study.db was not started by this engine and is left out." in answer_sentences(result.results)
    assert result.results.ranked()[0].value != 999.0
    grown = toy_study(run_cap=5, baseline={"epochs": 2})
    assert len(run_inline(grown, tmp_path).results.ranked()) == 5  # the next start works too
    for results in (open_results(tmp_path, "toy"), open_snapshot(tmp_path, "toy")):
        assert results.foreign == 1
        assert results.counted == 5
    assert repair(tmp_path, "toy") is None


def test_sampler_never_sees_the_trial_of_another_program(tmp_path: Path) -> None:
    run_inline(toy_study(run_cap=1, baseline={"epochs": 1}), tmp_path)
    add_finished(as_optuna_does(tmp_path))
    with closing(StudyStorage(tmp_path / "toy", STUDY)) as storage:
        assert [trial.number for trial in storage.search.optuna_study.get_trials()] == [0]
        assert storage.search.next_number() == 2


def test_configuration_that_a_user_enqueues_is_the_next_one(tmp_path: Path) -> None:
    events = Meddling(tmp_path, lambda study: study.enqueue_trial({"lr": 0.123}))
    results = run_inline(STUDY, tmp_path, events).results
    assert results.trials[2].parameters == {"lr": 0.123}
    assert results.trials[2].status is Status.COMPLETE
    assert [trial.number for trial in results.trials] == [0, 1, 2, 3]
    assert results.foreign == 0


@pytest.mark.parametrize(
    ("params", "reason"),
    [({"lr": 99.0}, "lr = 99.0 is not in the search space"), ({"width": 8}, "width is not searched; searched are: lr")],
)
def test_enqueued_configuration_outside_the_space_is_refused(
    tmp_path: Path, params: dict[str, Any], reason: str
) -> None:
    events = Meddling(tmp_path, lambda study: study.enqueue_trial(params))
    results = run_inline(STUDY, tmp_path, events).results
    assert results.trials[2].status is Status.ABANDONED
    assert f"enqueued by another program: {reason}" in results.trials[2].reason
    assert results.counted == 4
    assert events.ended[2] == results.trials[2]
    assert open_results(tmp_path, "toy").trials == results.trials


def test_configuration_enqueued_between_two_starts_comes_first(tmp_path: Path) -> None:
    run_inline(STUDY, tmp_path)
    as_optuna_does(tmp_path).enqueue_trial({"lr": 0.123})
    assert open_results(tmp_path, "toy").counted == 4
    results = run_inline(toy_study(run_cap=5, baseline={"epochs": 2}), tmp_path).results
    assert results.trials[-1].parameters == {"lr": 0.123}


def test_enqueued_configuration_that_another_program_takes_itself_is_left_to_it(tmp_path: Path) -> None:
    def take(study: optuna.Study) -> None:
        study.enqueue_trial({"lr": 0.2})
        study.ask()

    results = run_inline(STUDY, tmp_path, Meddling(tmp_path, take)).results
    assert results.foreign == 1
    assert results.counted == 4
    assert numbers(tmp_path) == [0, 1, 2, 3, 4]


def test_configuration_that_another_program_takes_from_us_is_enqueued_again(tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    with closing(StudyStorage.open(tmp_path / "toy", STUDY)) as storage:
        for lr in (0.1, 0.2):
            storage.search.enqueue({"lr": lr})
        assert as_optuna_does(tmp_path).ask().number == 0
        assert storage.search.ask().number == 1
        assert storage.search.foreign() == 1
        again = storage.search.ask()
        assert again.suggest_float("lr", 1e-4, 10.0) == 0.1


def test_our_running_trial_that_another_program_ends_is_ended_by_us_as_it_was(tmp_path: Path) -> None:
    def end(study: optuna.Study) -> None:
        study.tell(1, 999.0)

    alone = run_inline(STUDY, tmp_path / "alone").results
    assert run_inline(STUDY, tmp_path / "told", Meddling(tmp_path / "told", end)).results.ranked() != []
    told = open_results(tmp_path / "told", "toy")
    assert [trial.value for trial in told.trials] == [trial.value for trial in alone.trials]


def test_trial_that_another_program_ended_before_a_kill_is_continued(tmp_path: Path) -> None:
    with suppress(KeyboardInterrupt):
        run_inline(STUDY, tmp_path, Interrupting(4))
    unfinished = [trial.number for trial in open_results(tmp_path, "toy").trials if not trial.ended]
    assert unfinished == [1]
    as_optuna_does(tmp_path).tell(1, 999.0)
    assert [trial.number for trial in open_snapshot(tmp_path, "toy").trials if not trial.ended] == [1]
    results = run_inline(STUDY, tmp_path).results
    assert results.counted == 4
    assert max(trial.value or 0.0 for trial in results.trials) < 999.0


def test_note_and_attribute_that_a_user_sets_change_nothing(tmp_path: Path) -> None:
    def annotate(study: optuna.Study) -> None:
        study.set_user_attr("note", "promising")
        trial = optuna.Trial(study, study._storage.get_trial_id_from_study_id_trial_number(study._study_id, 1))
        trial.set_user_attr("seconds", 1e9)
        trial.report(50.0, 2)

    alone = run_inline(STUDY, tmp_path / "alone").results
    results = run_inline(STUDY, tmp_path / "noted", Meddling(tmp_path / "noted", annotate)).results
    assert open_results(tmp_path / "noted", "toy").trials == results.trials
    assert [trial.curve for trial in results.trials] == [trial.curve for trial in alone.trials]
    assert results.trials[1].seconds < 1e9


def test_other_study_in_the_same_database_is_no_stage(tmp_path: Path) -> None:
    def begin(study: optuna.Study) -> None:
        other = optuna.create_study(storage=study._storage, study_name="mine")
        other.tell(other.ask(), 1.0)

    study = toy_study(run_cap=3, baseline={"epochs": 2}, confirm={"top": 1, "seeds": 2})
    result = run_inline(study, tmp_path, Meddling(tmp_path, begin))
    assert result.complete, result.failure
    for results in (open_results(tmp_path, "toy"), open_snapshot(tmp_path, "toy")):
        assert list(results.stages) == ["confirm"]
        assert results.foreign == 0
    assert run_inline(study, tmp_path).complete


def test_stage_of_replicates_leaves_out_a_trial_of_another_program(tmp_path: Path) -> None:
    study = toy_study(run_cap=2, baseline={"epochs": 1}, confirm={"top": 1, "seeds": 3})

    class InConfirm(Meddling):
        def on_epoch(self, stage: str, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
            if stage == "confirm" and not self.done:
                self.done = True
                fail(as_optuna_does(self.folder, "confirm"))

    result = run_inline(study, tmp_path, InConfirm(tmp_path, fail))
    assert result.complete, result.failure
    assert [trial.number for trial in result.results.stages["confirm"].trials] == [0, 2, 3]
    assert result.results.stages["confirm"].foreign == 1
    assert open_results(tmp_path, "toy").foreign == 1


class MeddlingAlways(Meddling):
    """Acts at every event."""

    def on_epoch(self, stage: str, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        self.act(as_optuna_does(self.folder))

    def on_start(self, stage: str, number: int, label: str, resumed_at: int) -> None:
        self.act(as_optuna_does(self.folder))


def test_program_that_writes_all_the_time_does_no_harm(tmp_path: Path) -> None:
    def write(study: optuna.Study) -> None:
        fail(study)
        study.enqueue_trial({"lr": 0.1 + len(study.trials) / 100})

    study = toy_study(run_cap=3, baseline={"epochs": 1})
    result = run_inline(study, tmp_path, MeddlingAlways(tmp_path, write))
    assert result.complete, result.failure
    results = open_results(tmp_path, "toy")
    assert results.counted == 3
    assert results.foreign >= 6
    assert numbers(tmp_path) == list(range(len(numbers(tmp_path))))
