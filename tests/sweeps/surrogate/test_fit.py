"""What the fitted process predicts: calibrated ends, trials in training, and values of any scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from sweeps.space.space import Numeric, Space
from sweeps.surrogate.chain import Chain
from sweeps.surrogate.curves import observations, progress_of
from sweeps.surrogate.features import Features
from sweeps.surrogate.fit import Fit, Surrogate
from sweeps.surrogate.improvement import log_expected_improvement
from sweeps.surrogate.observed import Observed, SurrogateSettings
from sweeps.surrogate.scores import NormalScores

SPACE = Space.of([Numeric(key=key, low=0.0, high=1.0) for key in "xyz"], {})
EPOCHS = 27
SETTINGS = SurrogateSettings()


def synthetic(count: int, rng: np.random.Generator) -> tuple[list[dict[str, float]], np.ndarray]:
    """Configurations with curves, (count, EPOCHS): levels and rates are smooth, and each has a share of its own."""
    points = rng.random((count, 3))
    level = 2 * np.sin(3 * points[:, 0]) - (points[:, 1] - 0.5) ** 2 + 0.3 * rng.standard_normal(count)
    rate = np.exp(points[:, 2] + 0.2 * rng.standard_normal(count))
    epochs = np.arange(1, EPOCHS + 1)
    curves = level[:, None] - rate[:, None] / np.sqrt(epochs) + 0.02 * rng.standard_normal((count, EPOCHS))
    return [dict(zip("xyz", map(float, point), strict=True)) for point in points], curves


def up_to(points: Sequence[dict[str, float]], curves: np.ndarray, lasts: Sequence[int]) -> list[Observed]:
    return [
        Observed(point, {epoch: float(curve[epoch - 1]) for epoch in range(1, last + 1)})
        for point, curve, last in zip(points, curves, lasts, strict=True)
    ]


def fitted(trials: Sequence[Observed], seed: int = 0) -> tuple[Features, Fit]:
    features = Features(SPACE)
    surrogate = Surrogate(features, EPOCHS, "maximize", seed, SETTINGS)
    fit = surrogate.fit(trials, None, np.random.default_rng(seed), alone=True)
    assert fit is not None
    return features, fit


@pytest.mark.parametrize("paused", [True, False], ids=["paused trials", "new configurations"])
def test_predicted_ends_are_calibrated(paused: bool) -> None:
    """About 80 % of the ends are within the outer quantiles, and half of them below the middle one."""
    below, inside = [], []
    for seed in range(4):
        points, curves = synthetic(80, np.random.default_rng(seed))
        trials = up_to(points, curves, [(2, 4, 8, EPOCHS)[place % 4] for place in range(80)])
        known = trials if paused else trials[:50]
        features, fit = fitted(known, seed)
        asked = [place for place in range(80) if (place % 4 < 3 if paused else place >= 50)]
        columns = features.columns(features.coordinates([points[place] for place in asked]))
        places = fit.places(80)[asked] if paused else None
        for place, mean, deviation in zip(asked, *fit.ends(columns, places), strict=True):
            low, middle, high = fit.quantiles(mean, deviation)
            below.append(curves[place, -1] < middle)
            inside.append(low <= curves[place, -1] <= high)
    assert 0.7 <= np.mean(inside) <= 0.9
    assert 0.3 <= np.mean(below) <= 0.7


def test_trial_in_training_is_expected_where_it_was_and_less_uncertain() -> None:
    points, curves = synthetic(20, np.random.default_rng(0))
    trials = up_to(points[:19], curves[:19], [4] * 19)
    features, without = fitted([*trials, Observed(points[19], {})])
    _, believed = fitted([*trials, Observed(points[19], {}, until=EPOCHS)])
    _, arrived = fitted([*trials, Observed(points[19], {1: float(curves[19, 0])}, until=1)])
    columns = features.columns(features.coordinates([points[19]]))
    (mean, deviation), (expected, less) = without.ends(columns), believed.ends(columns)
    assert expected[0] == pytest.approx(mean[0], abs=0.05)
    assert less[0] < 0.8 * deviation[0]
    assert len(arrived.data.scores) == len(without.data.scores) + 1  # no expected value beside the measured one


def test_more_of_a_curve_leaves_less_uncertain() -> None:
    points, curves = synthetic(30, np.random.default_rng(1))
    deviations = []
    for last in (1, 4, 16):
        features, fit = fitted(up_to(points, curves, [last, *[EPOCHS] * 29]))
        deviations.append(fit.ends(features.columns(features.coordinates(points[:1])), np.array([0]))[1][0])
    assert deviations == sorted(deviations, reverse=True)


def test_hyperparameters_go_on_from_their_state() -> None:
    points, curves = synthetic(20, np.random.default_rng(0))
    surrogate = Surrogate(Features(SPACE), EPOCHS, "maximize", 0, SETTINGS)
    fit = surrogate.fit(up_to(points, curves, [4] * 20), None, np.random.default_rng(0))
    assert fit is not None
    features = Features(SPACE)
    prior = Surrogate(features, EPOCHS, "maximize", 0, SETTINGS)._prior
    again = Chain.of(fit.chain.state, prior)
    assert abs(again.values - fit.chain.values).max() < 1e-4
    assert again.state == fit.chain.state
    assert Chain.of({"values": [1.0], "step": 0.1}, prior).state == Chain.of(None, prior).state  # of another space


def test_too_many_observations_keep_the_best_and_the_last_of_each() -> None:
    lasts = [(1, 2, 4, 8, 16, EPOCHS)[place % 6] for place in range(120)]
    points, curves = synthetic(120, np.random.default_rng(0))
    trials = up_to(points, curves, lasts)
    all_of_them = observations(trials, 1.0, 10_000, np.random.default_rng(0))
    assert len(all_of_them[0]) == sum(len({e for e in (1, 2, 4, 8, 16) if e <= last} | {last}) for last in lasts)
    for most in (150, 60):
        trial, epoch, value = observations(trials, 1.0, most, np.random.default_rng(0))
        assert len(trial) == most
        at_last = {(t, e) for t, e in zip(trial, epoch, strict=True) if lasts[t] == e}
        assert len(at_last) == min(most, 120)
        assert {place for place, last in enumerate(lasts) if last == EPOCHS} <= {t for t, _ in at_last}
        assert [curves[t, e - 1] for t, e in zip(trial, epoch, strict=True)] == list(value)


def test_progress_is_the_logarithm_of_the_epoch() -> None:
    assert [progress_of(epoch, 16) for epoch in (1, 4, 16, 40)] == [0.0, 0.5, 1.0, 1.0]
    assert progress_of(1, 1) == 1.0


def test_scores_are_those_of_ranks_and_come_back_as_values() -> None:
    values = np.array([3.0, -1e9, 3.0, 0.5, 4.0])
    scores = NormalScores(values)
    assert scores.scores[0] == scores.scores[2]
    assert abs(scores.scores.sum()) < 1
    assert scores.value(scores.scores) == pytest.approx(values)
    assert 4.0 < scores.value(scores.scores.max() + 0.5) < 10.0
    assert scores.value(np.array([1e9])) == scores.value(scores.scores.max() + 1.0)  # a little beyond, no more
    assert (np.diff(scores.value(np.linspace(-5, 5, 99))) >= 0).all()
    assert list(NormalScores(np.array([2.0, 2.0])).scores) == [0.0, 0.0]


def test_expected_improvement_is_exact_near_and_far() -> None:
    rng = np.random.default_rng(0)
    for z in (-1.5, -0.5, 0.0, 2.0):
        exact = np.maximum(0, z + rng.standard_normal(400_000)).mean()
        assert np.exp(log_expected_improvement(np.array([z]), np.array([1.0]), 0.0)[0]) == pytest.approx(
            exact, rel=0.05
        )
    far = log_expected_improvement(-np.logspace(0, 6, 200), np.ones(200), 0.0)
    assert np.isfinite(far).all()
    assert (np.diff(far) < 0).all()
