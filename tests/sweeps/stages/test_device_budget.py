"""The budget: new work stops in time for what runs, nothing is lost, and a larger budget goes on to the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from sweeps.engine import execute as engine
from sweeps.prepare.prepared import settle
from sweeps.runners.protocol import Decision, End, Scheduler
from sweeps.runners.worker import execute
from sweeps.stages.budget import DeviceBudget
from sweeps.storage.results import Results
from sweeps.study.resources import device_share
from sweeps.study.stages import SEARCH, RunRequest, stages_of
from sweeps.study.study import Study
from sweeps.trial.trial import Status, Trial
from sweeps.workload import load
from tests.sweeps.support import Events, Interrupting, acknowledged, toy_study

EPOCH_S, EPOCHS = 1.0, 2
PARTS = {"components": {"handicap": {"handicap": 4.0}, "null": {"unused": 3}}, "seeds": 2}


@dataclass(frozen=True)
class Metered:
    """The in-process runner by a clock of its own: every epoch holds its device for `EPOCH_S` seconds."""

    def run(self, scheduler: Scheduler) -> None:
        while not scheduler.stopping and (job := scheduler.suggest()) is not None:
            with closing(execute(job)) as events:  # type: ignore[type-var]
                for event in events:
                    if isinstance(event, End):
                        scheduler.on_end(job, replace(event, seconds=0.0))
                    elif scheduler.on_epoch(job, replace(event, seconds=EPOCH_S)) is Decision.STOP:
                        break

    def close(self) -> None:
        """Nothing is held."""


def budgeted(seconds: float, shares: Mapping[str, float] | None = None, **settings: Any) -> Study:
    """A toy study of runs of two device-seconds each, which may take `seconds` in all."""
    budget = {"gpu_hours": seconds / 3600, **({"shares": shares} if shares else {})}
    return toy_study(**{"baseline": {"epochs": EPOCHS}, "budget": budget, **settings})


def run(study: Study, folder: Path, events: Events | None = None) -> engine.RunResult:
    prepared = settle(study, load(study.workload), folder / "data", {})
    request = RunRequest(stages_of(study))
    return engine.run(prepared, folder / study.name, Metered, events or Events(), request, cache=False)


def spent(results: Results) -> float:
    return sum(trial.seconds for trial in results.everything)


@pytest.mark.parametrize(
    ("seconds", "cpu", "trials"),
    [(9.0, 1, 4), (7.9, 1, 3), (0.1, 1, 1), (9.0, 2, 2), (4.5, 0.5, 4), (12.0, 1, 6)],
    ids=["a run fits whole or not at all", "no run that would end too late", "the first run is a trial of its length",
         "two cores cost twice", "half a core costs half", "the last run ends at the limit"],
)  # fmt: skip
def test_no_run_is_begun_that_would_end_beyond_the_budget(
    tmp_path: Path, seconds: float, cpu: float, trials: int
) -> None:
    result = run(budgeted(seconds, resources={"cpu": cpu}), tmp_path)
    assert result.results.counts()[Status.COMPLETE] == result.results.counted == trials
    assert result.complete == (trials == 6)
    assert result.exhausted == ("" if result.complete else "search")


def test_larger_budget_goes_on_to_the_end_and_repeats_nothing(tmp_path: Path) -> None:
    first = run(budgeted(5.0), tmp_path).results
    whole = run(budgeted(50.0), tmp_path)
    assert whole.complete
    assert whole.results.trials[: len(first.trials)] == first.trials
    assert Counter(acknowledged(tmp_path)) == {(number, epoch): 1 for number in range(6) for epoch in (1, 2)}


def test_same_budget_again_starts_nothing(tmp_path: Path) -> None:
    run(budgeted(5.0), tmp_path)
    events = Events()
    assert run(budgeted(5.0), tmp_path, events).exhausted == "search"
    assert events.started == []


class BrokenOff(Events):
    """Ends the driver after the first epoch of a trial."""

    def on_epoch(self, stage: str, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        if (number, epoch) == (3, 1):
            raise KeyboardInterrupt


def test_epochs_of_a_run_that_was_broken_off_are_counted(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(budgeted(9.5), tmp_path, BrokenOff())
    results = run(budgeted(9.5), tmp_path).results
    assert (results.counted, spent(results)) == (4, 8.0)


def trial(number: int, seconds: float, **facts: Any) -> Trial:
    return Trial(
        number, facts.pop("stage", "search"), facts.pop("status", Status.COMPLETE), {}, seconds=seconds, **facts
    )


def device_budget(seconds: float, *trials: Trial) -> DeviceBudget:
    study = budgeted(seconds)
    return DeviceBudget(study, "cpu", Results(study, trials, {}, Path("toy")), {})


def test_what_runs_has_its_time_set_aside() -> None:
    budget = device_budget(10.0, trial(0, 3.0))
    budget.start("search", 1, 0.0)
    assert budget.admits(SEARCH, "search")  # 3 spent, 3 promised, 3 more
    budget.start("search", 2, 0.0)
    assert not budget.admits(SEARCH, "search")
    budget.spend("search", 1, 2.0)
    assert not budget.admits(SEARCH, "search")  # 2 of what was promised are spent now: the same sum
    budget.spend("search", 1, 0.5)
    budget.end(trial(1, 2.5, status=Status.PRUNED))  # half a second less than was promised
    assert not budget.admits(SEARCH, "search")  # 5.5 spent, 3 promised, 3 more
    budget.end(trial(2, 1.0, status=Status.PRUNED))
    assert budget.admits(SEARCH, "search")


@pytest.mark.parametrize(
    ("known", "admitted"),
    [
        ((), True),  # nothing is known yet: the first run shows
        ((trial(0, 6.0),), False),
        ((trial(0, 6.0, status=Status.PRUNED),), True),  # only a complete run shows how long one takes
        ((trial(0, 6.0, source="other/search/0"),), True),  # so does none that was taken from another study
        ((trial(0, 6.0), trial(0, 2.0, stage="confirm")), False),
    ],
)
def test_next_run_is_expected_to_take_as_long_as_the_longest_complete_one(
    known: tuple[Trial, ...], admitted: bool
) -> None:
    assert device_budget(9.0, *known).admits(SEARCH, "search") is admitted


def test_stage_has_its_own_longest_run_once_it_has_one() -> None:
    budget = device_budget(10.0, trial(0, 6.0), trial(0, 2.0, stage="final"))
    assert budget.admits(SEARCH, "final")
    assert not budget.admits(SEARCH, "search")


def test_spent_is_in_device_hours_of_the_share() -> None:
    study = budgeted(10.0, resources={"cpu": 2, "gpu": 0.25})
    known = Results(study, (trial(0, 3600.0),), {}, Path("toy"))
    assert DeviceBudget(study, "cpu", known, {"search": 1800.0}).spent == pytest.approx(3.0)
    assert DeviceBudget(study, "cuda", known, {}).spent == pytest.approx(0.25)
    assert device_share(toy_study(), "cuda") == 1.0


GIVEN = {**PARTS, "baseline": "given"}  # three arms over two seeds: six runs, 12 seconds


def test_search_that_reaches_its_share_lets_the_next_stage_go_on(tmp_path: Path) -> None:
    study = budgeted(20.0, {"search": 0.3, "ablation": 0.7}, ablation=GIVEN)
    result = run(study, tmp_path)
    assert result.complete
    assert result.cut == ("search",)
    assert result.results.counted == 3
    assert len(result.results.stages["ablation"].trials) == 6


def test_what_one_stage_leaves_the_next_may_use(tmp_path: Path) -> None:
    study = budgeted(20.0, {"search": 0.5, "ablation": 0.5}, run_cap=2, ablation=GIVEN)
    result = run(study, tmp_path)
    assert result.complete
    assert result.cut == ()
    assert (spent(result.results), len(result.results.stages["ablation"].trials)) == (16.0, 6)


def test_stage_that_the_budget_breaks_off_goes_on_with_a_larger_one(tmp_path: Path) -> None:
    shares = {"search": 0.5, "ablation": 0.5}
    result = run(budgeted(15.0, shares, ablation=GIVEN), tmp_path)
    assert (result.exhausted, result.results.counted) == ("ablation", 3)
    assert len(result.results.stages["ablation"].trials) == 4
    whole = run(budgeted(40.0, shares, ablation=GIVEN), tmp_path)
    assert whole.complete
    assert (whole.results.counted, len(whole.results.stages["ablation"].trials)) == (6, 6)
    assert len(acknowledged(tmp_path)) == EPOCHS * (6 + 6)


def test_stage_whose_forerunner_was_cut_short_waits_for_a_larger_budget(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "run_cap": 2,
        "confirm": {"top": 2, "seeds": 2},
        "ablation": {**PARTS, "baseline": "best"},
    }
    shares = {"search": 0.2, "confirm": 0.2, "ablation": 0.6}
    result = run(budgeted(20.0, shares, **settings), tmp_path)
    assert (result.failure, result.exhausted, result.cut) == ("", "confirm", ("confirm",))
    assert "ablation" not in result.results.stages
    whole = run(budgeted(60.0, shares, **settings), tmp_path)
    assert whole.complete
    assert len(acknowledged(tmp_path)) == EPOCHS * (2 + 4 + 6)


def test_final_model_that_was_interrupted_is_not_trained_on_without_a_budget(tmp_path: Path) -> None:
    alone = {"parameters": {}, "run_cap": 0, "final": {"seeds": 2}}
    with suppress(KeyboardInterrupt):
        run(budgeted(9.0, **alone), tmp_path, Interrupting(5))  # one model is trained, the other has one epoch left
    before = acknowledged(tmp_path)
    result = run(budgeted(2.9, **alone), tmp_path)
    assert result.exhausted == "final"
    assert acknowledged(tmp_path) == before
    assert run(budgeted(9.0, **alone), tmp_path).complete
