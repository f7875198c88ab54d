"""Search with the surrogate: proposals that fit, that a restart repeats, and that are recorded as they were made."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest

from sweeps.runners.protocol import Job
from sweeps.samplers.sampler import NothingFits, Sampler
from sweeps.storage.study_storage import StudyStorage
from sweeps.study.study import Study
from sweeps.trial.trial import Outcome, Status, Trial
from tests.sweeps.support import toy_gate, toy_study

SPACE: dict[str, Any] = {
    "lr": {"distribution": "log_uniform_values", "min": 1e-4, "max": 10.0},
    "net.act": {"values": ["relu", "gelu"]},
    "momentum": {"min": 0.0, "max": 0.9, "when": {"net.act": "relu"}},
    "net.width": {"min": 2, "max": 64},
    "net.blocks": {"values": [[1, 1], [2, 2]]},
}


class Bench:
    """A sampler over a storage on disk, and what it refused."""

    def __init__(self, folder: Path, study: Study) -> None:
        folder.mkdir(exist_ok=True)
        self.storage = StudyStorage.open(folder, study)
        self.refused: list[Trial] = []
        self.sampler = Sampler(study, self.storage.search, toy_gate(study), self.refused.append)

    def next(self) -> Job:
        """Return the next proposal."""
        job = self.sampler.propose()
        assert job is not None
        return job

    def complete(self, job: Job, value: float | None = None) -> None:
        """Report a proposal complete, better the smaller its learning rate is."""
        value = -float(job.parameters["lr"]) if value is None else value
        for epoch in (1, 4):
            self.record(job, epoch, value)
        self.storage.search.finish(job.number, Outcome(Status.COMPLETE), value)

    def record(self, job: Job, epoch: int, value: float) -> None:
        """Record an epoch of a proposal."""
        self.storage.search.begin(job.number, job.settings, job.cost, 0, "")
        self.storage.search.record_epoch(job.number, epoch, {"val_accuracy": value}, 1.0)

    def decision(self, job: Job) -> dict[str, Any]:
        """Return what was recorded of the decision to start a proposal."""
        (decision,) = self.storage.search.trial(job.number).decisions
        return dict(decision)


def bayes(**settings: Any) -> Study:
    """A study of the toy that searches with the surrogate."""
    return toy_study(**{"method": "bayes", "run_cap": 40, "parameters": SPACE, **settings})


def test_proposals_satisfy_the_constraints_without_a_refusal(tmp_path: Path) -> None:
    bench = Bench(tmp_path, bayes(constraints=["parameters <= 200"]))  # one width in seven fits
    for _ in range(12):
        job = bench.next()
        assert job.cost["parameters"] <= 200
        bench.complete(job)
    assert bench.refused == []
    chosen = [bench.decision(job)["by"] for job in map(_numbered, range(12))]
    assert chosen[:7] == ["start"] * 7
    assert {"model", "random"} == set(chosen[7:])


def _numbered(number: int) -> Job:
    return Job("search", number, {})


def test_the_model_settles_where_the_metric_is_best(tmp_path: Path) -> None:
    bench = Bench(tmp_path, bayes())
    rates = []
    for _ in range(16):
        job = bench.next()
        bench.complete(job)
        if bench.decision(job)["by"] == "model":
            rates.append(job.parameters["lr"])
    assert sum(rate < 0.1 for rate in rates) > len(rates) / 2 + 1  # 3 of 5 decades
    assert all(
        ("momentum" in bench.storage.search.trial(number).parameters)
        == (bench.storage.search.trial(number).parameters["net.act"] == "relu")
        for number in range(16)
    )


def test_restarted_search_goes_on_as_an_unbroken_one(tmp_path: Path) -> None:
    whole = Bench(tmp_path / "whole", bayes())
    jobs = [whole.next()]
    for _ in range(11):
        jobs.append(whole.next())  # one is always in training
        whole.complete(jobs[-2])
    for number in range(12):  # a new driver for each proposal
        parts = Bench(tmp_path / "parts", bayes())
        readopted = [parts.sampler.readopt(*trial) for trial in parts.storage.search.unfinished()]
        job = parts.next()
        assert job.parameters == jobs[number].parameters
        assert parts.decision(job) == whole.decision(jobs[number])
        for each in readopted:
            assert each is not None
            parts.complete(each)
        parts.storage.close()


def test_decision_is_recorded_with_what_the_model_weighed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, bayes())
    bench.sampler.enqueue({"lr": 0.05, "net.act": "gelu", "net.width": 8, "net.blocks": [1, 1]}, "baseline")
    decisions = []
    for _ in range(9):
        job = bench.next()
        bench.complete(job)
        decisions.append(bench.decision(job))
    assert [decision["order"] for decision in decisions] == list(range(9))
    assert decisions[0] == {"order": 0, "from": 0, "until": 4, "last": True, "why": "new", "by": "baseline"}
    modelled = decisions[8]
    assert modelled["by"] == "model"
    low, middle, high = modelled["predicted"]
    assert low <= middle <= high
    assert modelled["candidates"][0]["parameters"] == bench.storage.search.trial(8).parameters
    assert modelled["model"]


def test_a_decision_can_be_completed_by_the_stage_and_is_recorded_with_the_trial(tmp_path: Path) -> None:
    bench = Bench(tmp_path, bayes())
    bench.sampler.decide = lambda number, chosen: {"order": 7, "until": 2, **chosen}
    job = bench.next()
    decision = bench.decision(job)
    assert (decision["order"], decision["until"], decision["by"]) == (7, 2, "start")


def test_a_kill_between_the_proposal_and_its_record_leaves_no_trial(tmp_path: Path) -> None:
    bench = Bench(tmp_path, bayes())

    def killed(number: int, chosen: Any) -> Any:
        raise KeyboardInterrupt

    bench.sampler.decide = killed
    with pytest.raises(KeyboardInterrupt):
        bench.next()
    assert Bench(tmp_path, bayes()).storage.search.trials() == []


def test_configuration_that_another_program_enqueues_comes_first_and_is_filled_in(tmp_path: Path) -> None:
    bench = Bench(tmp_path, bayes())
    bench.storage.search.optuna_study.enqueue_trial({"lr": 0.123})
    job = bench.next()
    assert job.parameters["lr"] == 0.123
    assert job.parameters.keys() >= {"net.act", "net.width", "net.blocks"}
    assert bench.decision(job)["by"] == "enqueued"


def test_failed_configuration_comes_back_when_no_other_is_left_and_not_for_ever(tmp_path: Path) -> None:
    cells = {"net.width": {"values": [2, 4, 8]}, "net.depth": {"values": [1, 2]}}
    bench = Bench(tmp_path, bayes(run_cap=6, parameters=cells))
    broken = bench.next()
    bench.storage.search.finish(broken.number, Outcome(Status.FAILED, "broke"))
    bench.sampler.failed(broken.parameters)
    proposed = []
    while (job := bench.sampler.propose()) is not None:
        proposed.append(dict(job.parameters))
        if job.parameters == broken.parameters:
            bench.storage.search.finish(job.number, Outcome(Status.FAILED, "broke"))
            bench.sampler.failed(job.parameters)
        else:
            bench.complete(job, float(job.number))
    assert dict(broken.parameters) not in proposed[:5]
    assert proposed[5:] == [dict(broken.parameters)] * 2  # three times in all


def test_nothing_within_the_budget_ends_with_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweeps.samplers.sampler.MAX_REFUSED_IN_A_ROW", 20)
    bench = Bench(tmp_path, bayes(constraints=["parameters <= 1"]))
    with pytest.raises(NothingFits, match="20 configurations in a row"):
        bench.sampler.propose()
    assert len(bench.refused) == 20


@pytest.mark.parametrize("method", ["tpe", "bayes"])
def test_paused_trials_of_a_good_region_attract_and_those_of_a_bad_one_do_not(tmp_path: Path, method: str) -> None:
    study = toy_study(method=method, run_cap=80, parameters={"momentum": {"min": 0.0, "max": 1.0}})
    bench = Bench(tmp_path, study)
    for place in range(20):
        momentum = place / 20 + 0.01
        bench.sampler.enqueue({"momentum": momentum})
        job = bench.next()
        decided = [{"order": place, "until": 1, "by": "enqueued"}]
        bench.storage.search.annotate(job.number, decisions=decided)
        value = 90.0 - 100 * abs(momentum - 0.31)
        bench.record(job, 1, value)
    assert all(trial.paused for trial in bench.storage.search.trials())
    proposed = [bench.next().parameters["momentum"] for _ in range(12)]
    assert sum(0.1 < momentum < 0.5 for momentum in proposed) >= 7


def test_optuna_sees_the_search_as_any_other(tmp_path: Path) -> None:
    study = bayes(run_cap=3)
    with closing(StudyStorage.open(tmp_path, study)) as storage:
        sampler = Sampler(study, storage.search, toy_gate(study), lambda trial: None)
        jobs = [sampler.propose() for _ in range(3)]
    stored = optuna.load_study(study_name="search", storage=f"sqlite:///{tmp_path / 'study.db'}").trials
    assert [trial.params["lr"] for trial in stored] == [job and job.parameters["lr"] for job in jobs]
    assert all(isinstance(trial.params["net.blocks"], str) for trial in stored)
