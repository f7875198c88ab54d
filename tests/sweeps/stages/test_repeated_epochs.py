"""Epochs that are trained again after a death count once: in the curves, the budget, the pace, the decisions."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from sweeps.engine import execute as engine
from sweeps.prepare.prepared import settle
from sweeps.runners.protocol import Decision, Epoch, Job, Scheduler, dispatch
from sweeps.runners.worker import execute
from sweeps.study.stages import RunRequest, stages_of
from sweeps.study.study import Study
from sweeps.workload import load
from tests.sweeps.support import ASHA, Events, acknowledged, toy_study

EPOCH_S = 1.0
ONE_EPOCH = {"type": "one_epoch", "epochs": 2, "top": 2}


@dataclass(frozen=True)
class Dying:
    """A runner whose every job dies once, after `dies_after` epochs; every epoch holds its device for `EPOCH_S`."""

    dies_after: int | None

    def run(self, scheduler: Scheduler) -> None:
        while not scheduler.stopping and (job := scheduler.suggest()) is not None:
            if self._dies(job, scheduler, self.dies_after):
                assert scheduler.on_death(job) is Decision.CONTINUE
                self._dies(job, scheduler, None)

    def _dies(self, job: Job, scheduler: Scheduler, after: int | None) -> bool:
        with closing(execute(job)) as events:  # type: ignore[type-var]
            for event in events:
                seconds = EPOCH_S if isinstance(event, Epoch) else 0.0
                timed = replace(event, seconds=seconds) if hasattr(event, "seconds") else event
                if dispatch(timed, job, scheduler) is Decision.STOP:
                    return False
                if isinstance(event, Epoch) and event.number == after:
                    return True
        raise AssertionError("a job ends with an event that stops it")

    def interrupt(self, grace_s: float) -> None:
        """Nothing to interrupt."""

    def close(self) -> None:
        """Nothing is held."""


def run(study: Study, folder: Path, dies_after: int | None) -> tuple[engine.RunResult, Events]:
    events = Events()
    prepared = settle(study, load(study.workload), folder / "data", {})
    request, runner = RunRequest(stages_of(study)), Dying(dies_after)
    return engine.run(prepared, folder / study.name, lambda: runner, events, request, cache=False), events


def outcomes(result: engine.RunResult) -> list[Any]:
    rows = [result.results.rows(trial.number) for trial in result.results.trials]
    trials = [(trial.status, trial.value, dict(trial.curve), trial.seconds) for trial in result.results.trials]
    return [*zip(trials, rows, strict=True)]


@pytest.mark.parametrize("rule", [None, ASHA, ONE_EPOCH], ids=["to the end", "asha", "one_epoch"])
@pytest.mark.parametrize("beside", [False, True])
def test_study_whose_workers_die_ends_as_one_whose_workers_live(
    tmp_path: Path, rule: dict[str, Any] | None, beside: bool
) -> None:
    baseline = {"epochs": 4, "beside": beside}
    seconds = 4 * 4 * EPOCH_S if rule is None else 60.0
    budget = {"gpu_hours": (seconds + 0.5) / 3600}  # nothing is left for an epoch that counts twice
    study = toy_study(run_cap=4, baseline=baseline, early_terminate=rule, budget=budget)
    whole, _ = run(study, tmp_path / "whole", None)
    dying, _ = run(study, tmp_path / "dying", 2)
    assert whole.complete
    assert dying.complete
    assert (outcomes(dying), dying.spent) == (outcomes(whole), whole.spent)
    trained = acknowledged(tmp_path / "dying")
    assert len(trained) > len(set(trained))
    if rule is None:
        repeated = 2 if beside else 1  # from the beginning, or from the state of the epoch before
        assert len(trained) == 4 * (4 + repeated)


def test_pace_of_a_search_in_two_rounds_is_not_that_of_its_repetitions(tmp_path: Path) -> None:
    # Four trials of two epochs each, and two more of the best two; each trial dies and trains its first epoch again.
    budget = {"gpu_hours": (4 * 2 + 2 * 2 + 0.5) * EPOCH_S / 3600}
    baseline = {"epochs": 4, "beside": True}
    study = toy_study(run_cap=4, baseline=baseline, early_terminate=ONE_EPOCH, budget=budget)
    result, _ = run(study, tmp_path, 1)
    assert result.complete
    assert [trial.epochs for trial in result.results.trials].count(4) == 2
