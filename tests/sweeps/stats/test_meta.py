"""The combination of several studies: random effects and replications."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.stats.meta_analysis import combine_effects

from sweeps.stats import random_effects, replications

EFFECTS = [0.61, 0.10, 0.95, 0.32, -0.20]
ERRORS = [0.20, 0.15, 0.30, 0.12, 0.25]


def test_mean_interval_and_heterogeneity_agree_with_statsmodels() -> None:
    ours = random_effects(EFFECTS, ERRORS)
    theirs = combine_effects(np.array(EFFECTS), np.array(ERRORS) ** 2, method_re="iterated", use_t=True, atol=1e-10)
    assert ours.tau**2 == pytest.approx(theirs.tau2, rel=1e-6)
    assert ours.mean == pytest.approx(theirs.mean_effect_re, rel=1e-6)
    half = theirs.sd_eff_w_re_hksj * 2.7764451051977987  # Student's t with 4 degrees of freedom
    assert (ours.low, ours.high) == pytest.approx((ours.mean - half, ours.mean + half), rel=1e-6)
    assert ours.q == pytest.approx(theirs.q, rel=1e-9)
    assert ours.i2 == pytest.approx(theirs.i2, rel=1e-9)


def test_ends_of_the_deviation_between_studies_give_the_quantiles_of_q() -> None:
    found = random_effects(EFFECTS, ERRORS)
    values, variances = np.array(EFFECTS), np.array(ERRORS) ** 2

    def q(between: float) -> float:
        weights = 1 / (variances + between)
        return float((weights * (values - (weights * values).sum() / weights.sum()) ** 2).sum())

    assert q(found.tau_low**2) == pytest.approx(11.143286781877796, rel=1e-6)  # chi² with 4 df, 97.5 %
    assert q(found.tau_high**2) == pytest.approx(0.48441855708792994, rel=1e-6)  # 2.5 %
    assert found.tau_low < found.tau < found.tau_high


def test_studies_that_agree_have_no_spread_between_them_and_an_interval_no_narrower_than_known_variances_give() -> None:
    found = random_effects([0.5, 0.5, 0.5], [0.1, 0.1, 0.1])
    assert (found.tau, found.i2, found.q_p) == (0.0, 0.0, 1.0)
    assert (found.high - found.low) / 2 == pytest.approx(4.302652729749464 * 0.1 / math.sqrt(3))


def test_two_studies_give_no_prediction_interval() -> None:
    found = random_effects([0.2, 0.9], [0.1, 0.1])
    assert found.next_low is None
    assert found.next_high is None
    assert random_effects(EFFECTS, ERRORS).next_high is not None


def test_interval_of_the_mean_covers_it_and_the_tests_of_homogeneity_and_replication_keep_their_level() -> None:
    generator = np.random.default_rng(3)
    covered = heterogeneous = claimed = 0
    rounds = 1500
    for _ in range(rounds):
        errors = generator.uniform(0.1, 0.4, 4)
        found = random_effects(list(generator.normal(0.3, np.sqrt(0.2**2 + errors**2))), list(errors))
        covered += found.low <= 0.3 <= found.high
        heterogeneous += random_effects(list(generator.normal(0.3, errors)), list(errors)).q_p < 0.05
        one_real = np.append(generator.uniform(size=3), 1e-9)  # one study of four has the effect
        claimed += replications(list(one_real)) > 1
    slack = 3 * math.sqrt(0.05 * 0.95 / rounds)
    assert covered / rounds >= 0.95 - slack
    assert heterogeneous / rounds <= 0.05 + slack
    assert claimed / rounds <= 0.05 + slack


@pytest.mark.parametrize(
    ("p", "studies"),
    [
        ([0.001, 0.001, 0.001], 3),
        ([0.001, 0.001, 0.2], 2),
        ([0.001, 0.03, 0.2], 1),
        ([0.02, 0.3, 0.4], 0),  # 3 * 0.02 is above the level
        ([0.001, 0.001, 0.06, 0.9], 2),
        ([0.04, 0.0001, 0.04], 1),  # unsorted; two of three would need 2 * 0.04 at most 0.05
    ],
)
def test_replications_are_counted_with_correction_over_the_studies(p: list[float], studies: int) -> None:
    assert replications(p) == studies


@pytest.mark.parametrize(("estimates", "errors"), [([1.0], [0.1]), ([1.0, 2.0], [0.1, 0.0]), ([1.0, 2.0], [0.1])])
def test_what_cannot_be_combined_is_refused(estimates: list[float], errors: list[float]) -> None:
    with pytest.raises(ValueError, match="two or more estimates need an error above 0"):
        random_effects(estimates, errors)
