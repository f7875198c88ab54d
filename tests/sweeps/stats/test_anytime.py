"""Comparisons that may be looked at after every pair: their error over all looks, and what they cost."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

from sweeps.stats import (
    ALPHA,
    Estimate,
    Looks,
    anytime_equivalence_p,
    anytime_interval,
    anytime_paired,
    decided,
    decided_at,
    expected_looks,
    holm_rows,
    location,
    paired,
    quantile,
    rounding_sd,
    widening,
)
from sweeps.stats.anytime import criticals, looks_t

LOOKS = Looks(6, 24)
STUDIES = 20_000


def error_of(rate: float, studies: int = STUDIES) -> float:
    """Three binomial standard errors."""
    return 3 * math.sqrt(rate * (1 - rate) / studies)


@pytest.mark.parametrize("looks", [LOOKS, Looks(3, 10), Looks(2, 5), Looks(8, 40), Looks(5, 5)])
def test_false_claims_under_looking_after_every_pair_are_five_percent(looks: Looks) -> None:
    t = looks_t(np.random.default_rng(1).normal(size=(STUDIES, looks.last)), looks)
    rate = float((np.abs(t) > criticals(looks)).any(axis=1).mean())
    assert rate == pytest.approx(ALPHA, abs=error_of(ALPHA))
    fixed = np.array([quantile(n - 1) for n in range(looks.first, looks.last + 1)])
    naive = float((np.abs(t) > fixed).any(axis=1).mean())
    assert (naive > 0.08) == (looks.first < looks.last)


@pytest.mark.parametrize("sides", [1, 2])
@pytest.mark.parametrize("level", [0.01, 0.05, 0.2])
def test_smallest_p_of_all_looks_is_below_a_level_as_often_as_the_level_says(sides: int, level: float) -> None:
    t = looks_t(np.random.default_rng(2).normal(size=(STUDIES, LOOKS.last)), LOOKS)
    n = np.arange(LOOKS.first, LOOKS.last + 1)
    nominal = 2 * special.stdtr(n - 1, -np.abs(t)) if sides == 2 else special.stdtr(n - 1, -t)
    # Where the nominal p is smallest beside its share, the adjusted p is smallest.
    place = (nominal / n).argmin(axis=1)
    critical = np.quantile((nominal / n).min(axis=1), level)
    best = int(np.abs((nominal / n).min(axis=1) - critical).argmin())
    adjusted = LOOKS.adjusted(float(nominal[best, place[best]]), int(n[place[best]]), sides)
    assert adjusted == pytest.approx(level, abs=error_of(level))


def test_holm_over_anytime_p_keeps_the_family_wise_error_whenever_the_study_stops() -> None:
    # Three true nulls with a shared baseline, stopped as soon as any of them can be claimed.
    generator = np.random.default_rng(3)
    studies = 2_000
    differences = generator.normal(size=(studies, 3, LOOKS.last)) - generator.normal(size=(studies, 1, LOOKS.last))
    t = looks_t(differences, LOOKS)
    wrong = (np.abs(t) > criticals(LOOKS, ALPHA / 3)).any(axis=(1, 2)).mean()  # the first step of Holm
    assert wrong <= ALPHA + error_of(ALPHA, studies)


def test_interval_and_p_agree_at_every_look() -> None:
    generator = np.random.default_rng(4)
    for n in (6, 11, 24):
        values = generator.normal(0.9, 1, n)
        fixed = paired([0.0] * n, list(values))
        assert fixed is not None
        anytime = anytime_paired(fixed, LOOKS)
        assert (anytime.mean, anytime.sd, anytime.n, anytime.at_most) == (fixed.mean, fixed.sd, n, 24)
        assert anytime.high - anytime.low == pytest.approx((fixed.high - fixed.low) * widening(LOOKS, n))
        assert fixed.p < anytime.p < 1
        assert (anytime.p < ALPHA) == (anytime.low > 0 or anytime.high < 0)
        assert anytime.detectable > fixed.detectable


def test_p_of_a_huge_t_is_small_and_of_an_infinite_one_zero() -> None:
    assert LOOKS.adjusted(0.0, 6) == 0.0
    ratios = [LOOKS.adjusted(p, 24) / p for p in (1e-12, 1e-8, 1e-4)]
    assert 15 > ratios[0] >= ratios[1] > ratios[2] > 3
    assert LOOKS.adjusted(1.0, 6) == 1.0


def test_p_at_the_end_of_the_interval_is_five_percent() -> None:
    for n in (6, 15, 24):
        nominal = 2 * float(special.stdtr(n - 1, -LOOKS.critical(n)))
        assert LOOKS.adjusted(nominal, n) == pytest.approx(ALPHA, abs=2e-4)


def test_width_beside_a_fixed_number_is_what_the_docs_say() -> None:
    assert [round(widening(LOOKS, n), 2) for n in (6, 12, 24)] == [1.95, 1.46, 1.25]
    assert widening(Looks(8, 8), 8) == pytest.approx(1)
    low, high = anytime_interval(Estimate(1.0, 0.0, 2.0, 12, 2.0), LOOKS, ALPHA / 6)
    assert (high - low) / 2 == pytest.approx(LOOKS.critical(12, ALPHA / 6) * 2 / math.sqrt(12))


def test_expected_pairs_fall_with_the_difference() -> None:
    none, small, large = expected_looks((0.0, 0.8, 2.0), LOOKS)
    assert 23 < none < 24
    assert 13 < small < 15.5
    assert 6 < large < 7.5
    clear = np.arange(48.0).reshape(2, 24) % 5 + np.array([[100.0], [-2.0]])
    assert list(decided_at(clear, LOOKS)) == [6, 24]


def test_equal_differences_have_the_p_of_equal_signs_at_the_first_look() -> None:
    fixed = paired([0.0] * 20, [1.0] * 20, margin=2.0)
    assert fixed is not None
    anytime = anytime_paired(fixed, LOOKS)
    assert fixed.p < 1e-5
    assert anytime.p == 2 / 2**6
    assert anytime.equivalence_p == 1 / 2**6
    same = paired([0.0] * 20, [0.0] * 20)
    assert same is not None
    assert anytime_paired(same, LOOKS).p == 1.0


def test_decision_is_that_of_holm_over_the_family() -> None:
    generator = np.random.default_rng(5)
    large, small = location(generator.normal(3, 1, 8)), location(generator.normal(0, 1, 8))
    assert decided([large, small], LOOKS) == [True, False]
    assert decided([large, location([1.0] * 3)], LOOKS) == [True, False]
    assert decided([None, large], LOOKS, margin=1.0) == [False, True]
    tiny = location(generator.normal(0, 0.1, 12))
    assert decided([tiny], LOOKS) == [False]
    assert decided([tiny], LOOKS, margin=1.0) == [True]
    assert decided([location([1.0] * 20)], LOOKS) == [True]  # p = 2 / 2^6
    assert decided([location([1.0] * 20)] * 2, LOOKS) == [False] * 2


def test_failed_run_voids_an_equivalence_but_no_difference() -> None:
    generator = np.random.default_rng(5)
    large, tiny = location(generator.normal(3, 1, 8)), location(generator.normal(0, 0.1, 12))
    assert decided([large, tiny], LOOKS, margin=1.0) == [True, True]
    assert decided([large, tiny], LOOKS, margin=1.0, void=[True, True]) == [True, False]


def test_ties_are_decided_with_the_floor_of_their_rounding() -> None:
    tied = [0.0] * 6
    fixed = paired(tied, tied, margin=0.1, resolution=0.1)
    assert fixed is not None
    p = anytime_paired(fixed, LOOKS).equivalence_p
    with_floor = location(tied, floor=rounding_sd(0.1, [1, -1]))
    assert anytime_equivalence_p(with_floor, 0.1, LOOKS) == pytest.approx(p)
    assert decided([with_floor], LOOKS, margin=0.1) == [p is not None and p < ALPHA]
    assert anytime_equivalence_p(location(tied), 0.1, LOOKS) == 1 / 2**6


def test_holm_without_the_adjusted_p_rejects_as_with_them() -> None:
    generator = np.random.default_rng(6)
    for _ in range(20):
        lengths = generator.integers(LOOKS.first, LOOKS.last + 1, size=3)
        tested = [(float(generator.uniform() ** 4), int(n)) for n in lengths]
        p = np.array([LOOKS.adjusted(*one) for one in tested])
        assert LOOKS.rejected(tested) == list(holm_rows(p) < ALPHA)


@pytest.mark.parametrize(("first", "last"), [(1, 5), (7, 6)])
def test_looks_must_be_in_order(first: int, last: int) -> None:
    with pytest.raises(ValueError, match=f"2 <= first <= last but got {first} and {last}"):
        Looks(first, last)


def test_no_interval_before_the_first_look() -> None:
    few = paired([0.0] * 4, [1.0, 2.0, 1.5, 0.5])
    assert few is not None
    with pytest.raises(ValueError, match="the first look is at 6 pairs, but there are 4"):
        anytime_paired(few, LOOKS)
