"""Earlier searches as the prior mean of the surrogate: one that agrees helps, one that contradicts is soon ignored."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

from sweeps.space.space import Numeric, Space
from sweeps.stats.goal import sign
from sweeps.surrogate.features import Features
from sweeps.surrogate.observed import Observed
from sweeps.surrogate.process import Hyperparameters
from sweeps.surrogate.proposer import Proposer
from sweeps.surrogate.warm_start import Source, WarmStart

KEYS = ("x", "y", "z")
SPACE = Space.of([Numeric(key=key, low=0.0, high=1.0) for key in KEYS], {})
BEST = 90.0 - 10 / 8  # the value at the end of the best configuration


def distance(parameters: dict[str, float]) -> float:
    """How far a configuration is from the best one."""
    x, y, z = (parameters[key] for key in KEYS)
    return (x - 0.7) ** 2 + (y - 0.2) ** 2 + 0.5 * (z - 0.5) ** 2


def curve(quality: float) -> dict[int, float]:
    """A curve of 8 epochs that ends the better the higher the quality is."""
    return {epoch: 90.0 + 20 * quality - 10 / epoch for epoch in (1, 2, 4, 8)}


def source(kind: str, seed: int = 0, **settings: object) -> Source:
    """A source of 25 random trials that agrees, contradicts, or has nothing to do with the search at hand."""
    rng = np.random.default_rng(seed)
    trials = []
    for _ in range(25):
        parameters = dict(zip(KEYS, map(float, rng.random(3)), strict=True))
        quality = {"agrees": -1.0, "contradicts": 1.0, "unrelated": 0.0}[kind] * distance(parameters)
        trials.append(Observed(parameters, curve(quality + (rng.normal(0, 0.3) if kind == "unrelated" else 0.0))))
    return Source(trials, **settings)  # type: ignore[arg-type]


@cache
def search(kind: str, seed: int, trials: int = 14) -> list[float]:
    """How far the best trial is from the best value, after each trial of a search."""
    proposer = Proposer(SPACE, 8, "maximize", seed, sources=[source(kind, seed)] if kind else [])
    done: list[Observed] = []
    state, behind = None, []
    for number in range(trials):
        proposal = proposer.propose(done, number, lambda parameters: True, lambda parameters: 1.0, state)
        state = proposal.state
        done.append(Observed(proposal.parameters, curve(-distance(proposal.parameters))))
        behind.append(BEST - max(trial.curve[8] for trial in done))
    return behind


def weight(kind: str, trials: list[Observed], **settings: object) -> float:
    """The weight of one source, given the trials of the search at hand."""
    features = Features(SPACE)
    prior = Hyperparameters(features.groups, features.dimensions)
    (own,) = WarmStart([source(kind, **settings)], features, 8, sign("maximize"), prior, 0).weights(trials)
    return own


def measured(count: int) -> list[Observed]:
    """Random trials of the search at hand, half of them stopped after an epoch."""
    rng = np.random.default_rng(5)
    configurations = [dict(zip(KEYS, map(float, rng.random(3)), strict=True)) for _ in range(count)]
    curves = [curve(-distance(parameters)) for parameters in configurations]
    return [
        Observed(parameters, values if place % 2 else {1: values[1]})
        for place, (parameters, values) in enumerate(zip(configurations, curves, strict=True))
    ]


def test_source_that_agrees_finds_the_best_with_fewer_trials() -> None:
    cold = np.mean([search("", seed)[9] for seed in range(3)])
    warm = np.mean([search("agrees", seed)[9] for seed in range(3)])
    assert warm < cold / 2


def test_source_that_contradicts_does_no_lasting_harm() -> None:
    cold = np.mean([search("", seed)[-1] for seed in range(3)])
    misled = np.mean([search("contradicts", seed)[-1] for seed in range(3)])
    assert misled < max(1.5 * cold, 1.0)  # a median configuration is 6 behind


def test_source_is_trusted_before_anything_is_measured_and_then_by_its_record() -> None:
    assert weight("agrees", []) == weight("contradicts", []) == pytest.approx(0.6)
    assert weight("agrees", measured(12)) > 0.8
    assert weight("contradicts", measured(12)) == 0.0
    assert weight("unrelated", measured(24)) < 0.5


def test_trials_are_compared_at_epochs_that_both_have_reached() -> None:
    slow = [Observed(trial.parameters, {1: 0.0, **dict(list(trial.curve.items())[1:])}) for trial in measured(12)]
    assert weight("agrees", slow) > 0.8  # at epoch 1 all are equal: only those that went further say something


def test_trial_that_broke_counts_as_the_worst() -> None:
    near = Observed({"x": 0.7, "y": 0.2, "z": 0.5}, {1: math.nan})
    assert weight("agrees", [*measured(6), near]) < weight("agrees", measured(6))


def test_a_setting_that_a_source_says_nothing_about_makes_no_difference_to_its_opinion() -> None:
    features = Features(SPACE)
    prior = Hyperparameters(features.groups, features.dimensions)
    trials = source("agrees").trials
    without = [
        Observed({key: value for key, value in trial.parameters.items() if key != "z"}, trial.curve) for trial in trials
    ]
    warm = WarmStart([Source(without, ("z",))], features, 8, 1.0, prior, 0)
    mean = warm.prior_mean([])
    assert mean is not None
    columns = np.array([[0.7, 0.2, 0.1], [0.7, 0.2, 0.9], [0.1, 0.9, 0.5]])
    first, second, far = mean(columns, np.ones(3))
    assert first == second
    assert first > far


def test_source_without_a_value_has_no_say() -> None:
    proposer = Proposer(
        SPACE, 8, "maximize", 0, sources=[Source([Observed({"x": 0.1, "y": 0.1, "z": 0.1}, {1: math.nan})])]
    )
    done = measured(6)
    alone = Proposer(SPACE, 8, "maximize", 0)
    arguments = (done, 6, lambda parameters: True, lambda parameters: 1.0, None)
    assert proposer.propose(*arguments).parameters == alone.propose(*arguments).parameters


def test_same_sources_give_the_same_proposal_in_a_new_object() -> None:
    done = measured(5)
    first, second = (
        Proposer(SPACE, 8, "maximize", 0, sources=[source("agrees"), source("unrelated", 1)]).propose(
            done, 5, lambda parameters: True, lambda parameters: 1.0, None
        )
        for _ in range(2)
    )
    assert first == second
    assert first.by == "model"
