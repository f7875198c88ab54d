"""The sampler with the constraint gate: no proposal violates a constraint, repeats another one or gets lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from sweeps.runners.protocol import Job
from sweeps.samplers.sampler import NothingFits, Sampler, distribution
from sweeps.space.encoding import decode_value, label
from sweeps.space.space import Categorical, Dimension, Numeric
from sweeps.storage.study_storage import StudyStorage
from sweeps.study.study import Study
from sweeps.trial.trial import Outcome, Status, Trial
from tests.sweeps.support import toy_gate, toy_study

CONDITIONAL: dict[str, Any] = {
    "net.act": {"values": ["relu", "gelu"]},
    "momentum": {"values": [0.0, 0.5], "when": {"net.act": "relu"}},
}


class Bench:
    """A sampler over a new storage, and what it refused."""

    def __init__(self, folder: Path, study: Study) -> None:
        folder.mkdir(exist_ok=True)
        self.storage = StudyStorage.open(folder, study)
        self.refused: list[Trial] = []
        self.sampler = Sampler(study, self.storage.search, toy_gate(study), self.refused.append)

    def proposals(self, count: int = 1000) -> Iterator[Job]:
        """Yield proposals, each reported complete, until none is left."""
        for _ in range(count):
            proposal = self.sampler.propose()
            if proposal is None:
                return
            self.storage.search.finish(proposal.number, Outcome(Status.COMPLETE), float(proposal.number))
            yield proposal


def test_over_budget_is_rejected_with_its_violation_before_it_is_proposed(tmp_path: Path) -> None:
    study = toy_study(method="tpe", constraints=["parameters <= 500"], parameters={"net.width": {"min": 2, "max": 64}})
    bench = Bench(tmp_path, study)
    proposals = list(bench.proposals(12))
    assert all(proposal.cost["parameters"] <= 500 for proposal in proposals)
    rejected = [trial for trial in bench.refused if trial.status is Status.REJECTED]
    assert rejected
    stored = bench.storage.search.optuna_study.trials
    for trial in rejected:
        width = trial.parameters["net.width"]
        assert trial.reason == f"{2 * width**2:,} parameters, over the limit of 500"
        assert stored[trial.number].state is optuna.trial.TrialState.PRUNED
        assert stored[trial.number].constraints == {"parameters": pytest.approx(2 * width**2 / 500 - 1)}


def test_rejections_become_fewer_because_the_sampler_learns(tmp_path: Path) -> None:
    study = toy_study(
        method="tpe", run_cap=40, constraints=["parameters <= 500"], parameters={"net.width": {"min": 2, "max": 512},
        "lr": {"min": 0.01, "max": 1.0}},
    )  # fmt: skip
    bench = Bench(tmp_path, study)
    assert len(list(bench.proposals(20))) == 20
    blind = 20 * 511 / 14  # one width in 36 fits
    assert len(bench.refused) < blind / 5


def test_unbuildable_configuration_is_rejected_with_the_reason(tmp_path: Path) -> None:
    study = toy_study(method="grid", run_cap=2, parameters={"net.width": {"values": [8, 2048]}})
    bench = Bench(tmp_path, study)
    assert [proposal.parameters["net.width"] for proposal in bench.proposals()] == [8]
    assert bench.refused[0].reason == "cannot be built: a layer of 2048 units does not fit"


@pytest.mark.parametrize("method", ["grid", "random", "tpe", "bayes"])
def test_finite_space_is_tried_whole_and_nothing_twice(tmp_path: Path, method: str) -> None:
    study = toy_study(
        method=method,
        run_cap=12,
        parameters={"net.width": {"values": [2, 4, 8, 16]}, "net.depth": {"values": [1, 2, 3]}},
    )
    tried = [tuple(proposal.parameters.values()) for proposal in Bench(tmp_path, study).proposals()]
    assert sorted(tried) == [(width, depth) for width in (2, 4, 8, 16) for depth in (1, 2, 3)]


def test_grid_goes_in_the_order_of_the_file(tmp_path: Path) -> None:
    study = toy_study(
        method="grid", run_cap=4, parameters={"net.width": {"values": [8, 2]}, "net.depth": {"values": [3, 1]}}
    )
    tried = [tuple(proposal.parameters.values()) for proposal in Bench(tmp_path, study).proposals()]
    assert tried == [(8, 3), (8, 1), (2, 3), (2, 1)]


@pytest.mark.parametrize("method", ["grid", "bayes"])
def test_conditional_dimension_exists_only_under_its_condition(tmp_path: Path, method: str) -> None:
    study = toy_study(method=method, run_cap=3, parameters=CONDITIONAL)
    tried = [dict(proposal.parameters) for proposal in Bench(tmp_path, study).proposals()]
    assert sorted(tried, key=str) == sorted(
        [{"net.act": "relu", "momentum": 0.0}, {"net.act": "relu", "momentum": 0.5}, {"net.act": "gelu"}], key=str
    )


def test_toggle_is_searched_on_and_off(tmp_path: Path) -> None:
    bench = Bench(tmp_path, toy_study(method="grid", run_cap=4, parameters={}, toggles=["relu", "depth"]))
    built = [(p.settings["net"]["act"], p.settings["net"]["depth"]) for p in bench.proposals()]
    assert sorted(built) == [("identity", 1), ("identity", 2), ("relu", 1), ("relu", 2)]


def test_lists_and_mappings_go_through_the_storage_as_they_are(tmp_path: Path) -> None:
    values = [[1, 1], [2, 2, 2]]
    study = toy_study(method="grid", run_cap=2, parameters={"net.blocks": {"values": values}})
    bench = Bench(tmp_path, study)
    assert [proposal.parameters["net.blocks"] for proposal in bench.proposals()] == values
    assert [trial.parameters["net.blocks"] for trial in bench.storage.search.trials()] == values


def test_nothing_within_the_budget_ends_with_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweeps.samplers.sampler.MAX_REFUSED_IN_A_ROW", 20)
    with pytest.raises(NothingFits, match="20 configurations in a row"):
        Bench(tmp_path, toy_study(constraints=["parameters <= 1"])).sampler.propose()


def test_half_sampled_trial_is_abandoned_and_not_counted(tmp_path: Path) -> None:
    study = toy_study(parameters={"lr": {"min": 0.01, "max": 0.1}, "momentum": {"min": 0.0, "max": 0.9}})
    bench = Bench(tmp_path, study)
    trial = bench.storage.search.optuna_study.ask()
    trial.suggest_float("lr", 0.01, 0.1)  # killed here
    ((number, params),) = bench.storage.search.unfinished()
    assert bench.sampler.readopt(number, params) is None
    assert bench.refused[0].status is Status.ABANDONED
    assert not bench.refused[0].status.counted


def test_enqueued_trial_that_was_half_sampled_is_enqueued_again(tmp_path: Path) -> None:
    study = toy_study(parameters={"lr": {"min": 0.01, "max": 0.1}, "momentum": {"min": 0.0, "max": 0.95}})
    bench = Bench(tmp_path, study)
    bench.sampler.enqueue({"lr": 0.05, "momentum": 0.9})
    bench.storage.search.optuna_study.ask()  # killed here
    ((number, params),) = bench.storage.search.unfinished()
    assert bench.sampler.readopt(number, params) is None
    again = bench.sampler.propose()
    assert again is not None
    assert again.parameters == {"lr": 0.05, "momentum": 0.9}


def test_cell_that_was_enqueued_by_a_killed_driver_is_not_enqueued_twice(tmp_path: Path) -> None:
    study = toy_study(method="grid", run_cap=2, parameters={"net.width": {"values": [4, 8]}})
    bench = Bench(tmp_path, study)
    bench.sampler.enqueue({"net.width": 4})  # killed here
    assert [proposal.parameters["net.width"] for proposal in bench.proposals()] == [4, 8]
    assert bench.refused == []


def test_left_behind_trial_over_the_budget_is_rejected_when_readopted(tmp_path: Path) -> None:
    study = toy_study(constraints=["parameters <= 200"], parameters={"net.width": {"values": [4, 64]}})
    bench = Bench(tmp_path, study)
    for width in (64, 4, 4):
        bench.storage.search.optuna_study.enqueue_trial({"net.width": width})
        bench.storage.search.optuna_study.ask().suggest_categorical("net.width", (4, 64))
    adopted = [bench.sampler.readopt(*trial) for trial in bench.storage.search.unfinished()]
    assert [proposal and proposal.parameters["net.width"] for proposal in adopted] == [None, 4, None]
    assert [trial.status for trial in bench.refused] == [Status.REJECTED, Status.DUPLICATE]


@pytest.mark.parametrize(
    ("dimension", "expected"),
    [
        (Categorical(key="k", values=(1, 2)), CategoricalDistribution((1, 2))),
        (Categorical(key="k", values=([1], [2])), CategoricalDistribution(("[1]", "[2]"))),
        (Numeric(key="k", low=1, high=9, integer=True), IntDistribution(1, 9)),
        (Numeric(key="k", low=1, high=9, integer=True, log=True), IntDistribution(1, 9, log=True)),
        (Numeric(key="k", low=0.1, high=0.9), FloatDistribution(0.1, 0.9)),
        (Numeric(key="k", low=0.1, high=0.9, log=True), FloatDistribution(0.1, 0.9, log=True)),
        (Numeric(key="k", low=0.0, high=0.9, step=0.3), FloatDistribution(0.0, 0.9, step=0.3)),
    ],
)
def test_dimension_becomes_the_optuna_distribution(dimension: Dimension, expected: Any) -> None:
    assert distribution(dimension) == expected


@pytest.mark.parametrize("value", [1, 0.5, "sgd", True, None, [1, 2], {"a": [1]}])
def test_categorical_value_survives_its_label(value: Any) -> None:
    dimension = Categorical(key="k", values=("other", value))
    assert decode_value(dimension, label(value)) == value
