"""What the surrogate proposes: restartable, within the constraints, never twice, and better than chance."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from sweeps.space.space import Categorical, Numeric, Space
from sweeps.stats.goal import Goal
from sweeps.surrogate import process
from sweeps.surrogate.observed import Observed, Proposal, SurrogateSettings
from sweeps.surrogate.proposer import Proposer

SPACE = Space.of(
    [
        Numeric(key="lr", low=1e-4, high=1.0, log=True),
        Numeric(key="depth", low=1, high=8, integer=True),
        Categorical(key="optimizer", values=("sgd", "adam", "lion")),
        Numeric(key="momentum", low=0.0, high=1.0, when={"optimizer": ("sgd",)}),
        Categorical(key="widths", values=([1, 2], [2, 4], [3, 3])),
    ],
    {},
)
SQUARE = Space.of([Numeric(key=key, low=0.0, high=1.0) for key in "xy"], {})
EPOCHS = 27
RUNGS = (1, 2, 4, 8, 16, EPOCHS)

Value = Callable[[Mapping[str, Any], int], float]


def accept(_: Mapping[str, Any]) -> bool:
    return True


def one(_: Mapping[str, Any]) -> float:
    return 1.0


def rises(parameters: Mapping[str, Any], epoch: int) -> float:
    """The accuracy of a toy workload on SPACE after an epoch; 0 is the best at the end."""
    best = 0.0 if parameters["optimizer"] == "sgd" else 0.3
    level = -((math.log10(parameters["lr"]) + 2) ** 2) / 4 - (parameters["depth"] - 5) ** 2 / 32 - best
    return level - abs(parameters.get("momentum", 0.9) - 0.9) - (1 / epoch - 1 / EPOCHS)


def searched(
    count: int, value: Value = rises, seed: int = 0, space: Space = SPACE, goal: Goal = "maximize", **settings: Any
) -> tuple[list[Observed], list[Proposal]]:
    """The trials of a search that trains the best half of each rung to the next, and its proposals."""
    trials: list[Observed] = []
    proposals: list[Proposal] = []
    reached: dict[int, list[float]] = {}
    for number in range(count):
        proposer = Proposer(space, EPOCHS, goal, seed, SurrogateSettings(**settings))  # as after a restart
        proposal = proposer.propose(trials, number, accept, one, proposals[-1].state if proposals else None)
        curve: dict[int, float] = {}
        for rung in RUNGS:
            curve |= {epoch: value(proposal.parameters, epoch) for epoch in range(1, rung + 1)}
            others = reached.setdefault(rung, [])
            others.append(curve[rung] if goal == "maximize" else -curve[rung])
            if others[-1] < np.median(others):
                break
        trials.append(Observed(proposal.parameters, curve))
        proposals.append(proposal)
    return trials, proposals


@pytest.fixture(scope="module")
def search() -> tuple[list[Observed], list[Proposal]]:
    return searched(40)


def test_restart_makes_the_same_proposal(search: tuple[list[Observed], list[Proposal]]) -> None:
    trials, proposals = search
    proposer = Proposer(SPACE, EPOCHS, "maximize", 0)
    again = []
    for number in (0, 12, 25, 3, 39):  # in any order, and from what a file would give back
        state = json.loads(json.dumps(proposals[number - 1].state)) if number else None
        again.append(proposer.propose(trials[:number], number, accept, one, state))
    assert again == [proposals[number] for number in (0, 12, 25, 3, 39)]
    assert Proposer(SPACE, EPOCHS, "maximize", 1).propose(trials, 40, accept, one) != proposer.propose(
        trials, 40, accept, one
    )


def test_proposals_are_configurations_and_none_comes_twice(search: tuple[list[Observed], list[Proposal]]) -> None:
    trials, _ = search
    assert all(SPACE.contains(trial.parameters) for trial in trials)
    assert len({json.dumps(trial.parameters) for trial in trials}) == len(trials)


def test_start_then_model_and_every_fourth_at_random(search: tuple[list[Observed], list[Proposal]]) -> None:
    _, proposals = search
    assert [proposal.by for proposal in proposals] == [
        "start" if number < 7 else "random" if number % 4 == 3 else "model" for number in range(40)
    ]
    for proposal in proposals:
        if proposal.by == "model":
            assert proposal.predicted is not None
            low, middle, high = proposal.predicted
            assert low <= middle <= high
            first = proposal.candidates[0]
            assert (first["parameters"], first["predicted"]) == (proposal.parameters, [low, middle, high])
            json.dumps([proposal.candidates, proposal.state], allow_nan=False)
        else:
            assert (proposal.predicted, proposal.candidates) == (None, ())


def test_start_spreads_each_dimension_evenly() -> None:
    trials, _ = searched(8, space=SQUARE, value=lambda p, epoch: p["x"], start=8)
    for key in "xy":
        assert sorted(int(8 * trial.parameters[key]) for trial in trials) == list(range(8))


def test_refused_configurations_are_never_proposed(search: tuple[list[Observed], list[Proposal]]) -> None:
    trials, proposals = search
    asked: list[Mapping[str, Any]] = []

    def shallow(parameters: Mapping[str, Any]) -> bool:
        asked.append(parameters)
        return parameters["depth"] <= 2

    for number in (2, 20, 23):  # of the start, of the model, at random
        asked.clear()
        proposal = Proposer(SPACE, EPOCHS, "maximize", 0).propose(
            trials[:number], number, shallow, one, proposals[number - 1].state
        )
        assert proposal.parameters["depth"] <= 2
        assert asked[-1] == proposal.parameters or proposal.by == "model"


def test_space_of_which_all_is_refused_is_an_error() -> None:
    trials, _ = searched(10)
    with pytest.raises(LookupError, match="tried or is refused"):
        Proposer(SPACE, EPOCHS, "maximize", 0).propose(trials, 10, lambda _: False, one)


def test_cheaper_one_of_two_equally_good_configurations_is_proposed() -> None:
    points = [{"x": float(x), "y": float(y)} for x, y in np.random.default_rng(0).random((25, 2))]
    trials = [Observed(point, {EPOCHS: -((point["x"] - 0.7) ** 2)}) for point in points]  # y changes nothing
    proposer = Proposer(SQUARE, EPOCHS, "maximize", 0)
    asked = (28, 29, 30, 32, 33, 34)
    equal = [proposer.propose(trials, number, accept, one) for number in asked]
    costly = [proposer.propose(trials, number, accept, lambda p: math.exp(10 * p["y"])) for number in asked]
    assert np.mean([proposal.parameters["y"] for proposal in costly]) < 0.3
    assert np.mean([proposal.parameters["y"] for proposal in equal]) > 0.4
    assert all(abs(proposal.parameters["x"] - 0.7) < 0.3 for proposal in costly)
    scores = [candidate["score"] for candidate in costly[0].candidates]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)


def test_small_space_is_tried_to_its_last_configuration() -> None:
    space = Space.of([Numeric(key="a", low=1, high=5, integer=True), Categorical(key="b", values=("x", "y"))], {})
    trials, _ = searched(10, space=space, value=lambda p, epoch: p["a"] - 1 / epoch)
    assert len({json.dumps(trial.parameters) for trial in trials}) == 10
    with pytest.raises(LookupError):
        Proposer(space, EPOCHS, "maximize", 0).propose(trials, 10, accept, one)


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_search_beats_random_draws(goal: Goal) -> None:
    ours, theirs = [], []
    for seed in range(4):
        trials, _ = searched(30, lambda p, epoch: rises(p, epoch) * (1 if goal == "maximize" else -1), seed, goal=goal)
        ours.append(max(rises(trial.parameters, EPOCHS) for trial in trials))
        rng = random.Random(seed)
        theirs.append(max(rises(SPACE.draw(rng), EPOCHS) for _ in range(100)))  # more than three times as many
    assert np.median(ours) > np.median(theirs)


def test_model_learns_from_curves_that_ended_early() -> None:
    """No trial came beyond epoch 2, and yet the proposals are among the best of the space."""
    rng = np.random.default_rng(0)
    trials = [
        Observed(point, {epoch: -((point["x"] - 0.7) ** 2) - 1 / epoch for epoch in (1, 2)})
        for point in ({"x": float(x), "y": float(y)} for x, y in rng.random((15, 2)))
    ]
    proposer = Proposer(SQUARE, EPOCHS, "maximize", 0)
    proposals = [proposer.propose(trials, number, accept, one) for number in (16, 17, 18, 20, 21, 22)]
    assert all(abs(proposal.parameters["x"] - 0.7) < 0.2 for proposal in proposals)


def test_next_worker_gets_another_configuration_than_the_one_in_training() -> None:
    trials, _ = searched(20)
    proposer = Proposer(SPACE, EPOCHS, "maximize", 0)
    told: list[Observed] = []
    for number in range(20, 28):
        told.append(Observed(proposer.propose([*trials, *told], number, accept, one).parameters, {}, until=EPOCHS))
    assert len({json.dumps(trial.parameters) for trial in told}) == 8


@pytest.mark.parametrize(
    "curves",
    [
        [dict.fromkeys(range(1, 28), 0.5)] * 9,
        [{1: 0.1}, *[{}] * 8],
        [{1: math.nan, 2: math.inf}] * 9,
        [{1: 0.1}, {1: math.nan}, {1: -math.inf}, {1: 1e300}, {1: -1e300}, {1: 0.1}, {1: 0.1, 27: math.nan}, {}, {}],
        [{27: float(value)} for value in range(9)],
        [{100: 0.1}, {1: 0.2, 500: 0.3}, *[{1: 0.4}] * 7],  # beyond the full training
    ],
    ids=["all equal", "one value", "nothing finite", "extremes", "only ends", "too long"],
)
def test_odd_curves_give_a_valid_proposal(curves: Sequence[Mapping[int, float]]) -> None:
    rng = random.Random(0)
    trials = [Observed(SPACE.draw(rng), curve) for curve in curves]
    proposer = Proposer(SPACE, EPOCHS, "minimize", 0)
    for number in (9, 10, 11):
        proposal = proposer.propose(trials, number, accept, one)
        assert SPACE.contains(proposal.parameters)
        json.dumps([proposal.predicted, proposal.candidates, proposal.state], allow_nan=False)
    for end in proposer.posterior(trials):
        assert np.isfinite([end.mean, *end.quantiles]).all()
        assert list(end.quantiles) == sorted(end.quantiles)


@pytest.mark.parametrize("dimensions", [1, 40])
@pytest.mark.parametrize("epochs", [1, 27])
def test_few_and_many_dimensions(dimensions: int, epochs: int) -> None:
    space = Space.of([Numeric(key=f"x{place}", low=0.0, high=1.0) for place in range(dimensions)], {})
    rng = random.Random(0)
    points = [space.draw(rng) for _ in range(20)]
    trials = [Observed(point, dict.fromkeys(range(1, epochs + 1), point["x0"])) for point in points]
    proposal = Proposer(space, epochs, "maximize", 0).propose(trials, 20, accept, one)
    assert proposal.by == "model"
    assert proposal.parameters["x0"] > 0.5
    assert proposal.predicted is not None
    assert proposal.predicted[1] > 0.5


def test_matrices_stay_bounded_with_a_thousand_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    cholesky = process.cholesky

    def noted(matrix: Any, **options: Any) -> Any:
        sizes.append(len(matrix))
        return cholesky(matrix, **options)

    monkeypatch.setattr(process, "cholesky", noted)
    rng = random.Random(0)
    trials = []
    for number in range(1000):
        point, last = SPACE.draw(rng), RUNGS[number % 6]
        trials.append(Observed(point, {epoch: rises(point, epoch) for epoch in range(1, last + 1)}))
    trials += [Observed(SPACE.draw(rng), {}, until=1) for _ in range(8)]
    Proposer(SPACE, EPOCHS, "maximize", 0).propose(trials, 1008, accept, one)
    assert max(sizes) == SurrogateSettings().observations + 8
    assert len(sizes) <= 20


def test_posterior_knows_the_curves_and_is_in_the_units_of_the_metric() -> None:
    trials, proposals = searched(40, lambda p, epoch: 100 - rises(p, epoch), goal="minimize")
    proposer = Proposer(SPACE, EPOCHS, "minimize", 0)
    ends = proposer.posterior(trials, proposals[-1].state)
    assert ends == proposer.posterior(trials, proposals[-1].state)
    truth = [100 - rises(trial.parameters, EPOCHS) for trial in trials]
    order = np.argsort([end.mean for end in ends])
    assert truth[order[0]] <= sorted(truth)[2]
    assert np.corrcoef([end.mean for end in ends], truth)[0, 1] > 0.8
    assert proposer.posterior([Observed(trials[0].parameters, {})]) == []
