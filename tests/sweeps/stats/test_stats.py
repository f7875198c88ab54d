"""Statistics against worked examples of the literature, scipy and statsmodels, and their edge cases."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import ttost_paired

from sweeps.stats import (
    contrasts,
    detectable,
    equivalence_rows,
    expected_n,
    holm,
    holm_rows,
    holm_steps,
    interval,
    location,
    needed_n,
    paired,
    power,
    quantile,
    rounding_sd,
    samples,
    seed_effects,
    seeds_for_sign_flip,
    share_bound,
    share_interval,
    sign_flip,
    simultaneous,
    smallest_p,
    standardized,
    stein_total,
    stein_totals,
)

# Extra hours of sleep of ten patients under two drugs: Student (1908), "The probable error of a mean", Biometrika 6;
# R's data set `sleep`. The figures are those of R's t.test(extra ~ group, paired = TRUE).
DRUG_1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
DRUG_2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]

FIGURES = st.lists(st.integers(-400, 400).map(lambda x: x / 8), min_size=2, max_size=9)
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def drawn(n: int, seed: int = 0, shift: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    common = generator.normal(size=n)
    return common + generator.normal(scale=0.5, size=n), common + generator.normal(shift, 0.5, size=n)


def test_students_sleep_data() -> None:
    result = paired(DRUG_2, DRUG_1)
    assert result is not None
    assert (result.n, result.df) == (10, 9)
    assert result.t == pytest.approx(-4.0621, abs=5e-5)
    assert result.p == pytest.approx(0.002833, abs=5e-7)
    assert (result.mean, result.low, result.high) == pytest.approx((-1.58, -2.4598858, -0.7001142), abs=5e-8)


@pytest.mark.parametrize("n", [2, 3, 6, 12, 30])
def test_paired_t_is_scipys(n: int) -> None:
    before, after = drawn(n, n)
    comparison = paired(list(before), list(after))
    reference = scipy_stats.ttest_rel(after, before)
    ends = reference.confidence_interval()
    assert comparison is not None
    assert (comparison.t, comparison.p, comparison.low, comparison.high) == pytest.approx(
        (reference.statistic, reference.pvalue, ends.low, ends.high)
    )
    assert comparison.correlation == pytest.approx(np.corrcoef(before, after)[0, 1])
    assert comparison.estimate == location(after - before).estimate


@pytest.mark.parametrize("margin", [0.2, 0.8, 2.0])
def test_equivalence_is_that_of_statsmodels(margin: float) -> None:
    before, after = drawn(9)
    comparison = paired(list(before), list(after), margin=margin)
    assert comparison is not None
    assert comparison.equivalence_p == pytest.approx(ttost_paired(after, before, -margin, margin)[0])
    rows = samples(np.stack([after - before] * 2))
    assert equivalence_rows(rows.mean, rows.sd / 3, 8, margin) == pytest.approx(comparison.equivalence_p)


@pytest.mark.parametrize("n", [3, 5, 8])
def test_exact_sign_flip_counts_all_flips_and_is_scipys(n: int) -> None:
    differences = np.random.default_rng(n).normal(0.6, size=n)
    flips = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=n)
    ]
    flip_test = sign_flip(differences)
    reference = scipy_stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert flip_test.exact
    assert flip_test.p == pytest.approx(np.mean(np.array(flips) >= abs(differences.sum()) - 1e-12))
    assert flip_test.p == pytest.approx(reference.pvalue)
    assert flip_test.smallest == 2 / 2**n


@pytest.mark.parametrize("n", [1, 2, 3, 6, 13, 19, 20, 21, 22, 30])
def test_smallest_p_is_what_the_sign_flip_of_one_sided_differences_gives(n: int) -> None:
    flip_test = sign_flip(np.linspace(1, 2, n))
    assert flip_test.exact == (n <= 20)
    assert flip_test.p == flip_test.smallest == smallest_p(n) == (2 / 2**n if n <= 20 else 1 / 100_001)


def test_sampled_sign_flip_is_seeded_never_0_and_near_the_normal_tail() -> None:
    clear = sign_flip(np.linspace(1, 2, 21))
    assert (clear.exact, clear.p, clear.smallest) == (False, 1 / 100_001, 1 / 100_001)
    differences = np.random.default_rng(1).normal(0.3, size=40)
    flip_test = sign_flip(differences)
    assert flip_test == sign_flip(differences)
    assert flip_test.p == pytest.approx(scipy_stats.ttest_1samp(differences, 0).pvalue, abs=0.01)


@pytest.mark.parametrize(
    ("comparisons", "n", "p"), [(1, 6, 2 / 64), (3, 6, 6 / 64), (5, 8, 10 / 256), (40, 2, 1.0), (3, 21, 3 / 100_001)]
)
def test_smallest_sign_flip_p_after_holm(comparisons: int, n: int, p: float) -> None:
    assert smallest_p(n, comparisons) == p
    assert smallest_p(n, comparisons) == holm([sign_flip(np.linspace(1, 2, n)).p] * comparisons)[0]


@pytest.mark.parametrize(("comparisons", "n"), [(1, 6), (2, 7), (3, 7), (4, 8), (6, 8), (7, 9)])
def test_pairs_that_the_sign_flip_needs(comparisons: int, n: int) -> None:
    assert seeds_for_sign_flip(comparisons) == n
    assert smallest_p(n, comparisons) <= 0.05 < smallest_p(n - 1, comparisons)


def test_family_that_no_number_of_pairs_can_serve_is_refused() -> None:
    assert seeds_for_sign_flip(26_214) == 20
    with pytest.raises(ValueError, match="no number of pairs"):
        seeds_for_sign_flip(26_215)


@settings(max_examples=25, deadline=None)
@given(P_VALUES)
def test_holm_is_that_of_statsmodels_and_keeps_the_order(p: list[float]) -> None:
    adjusted = holm(p)
    assert adjusted == pytest.approx(tuple(multipletests(p, method="holm")[1]))
    assert all(0 <= before <= after <= 1 for before, after in zip(p, adjusted, strict=True))
    order = np.argsort(p, kind="stable")
    assert np.all(np.diff(np.array(adjusted)[order]) >= 0)
    assert holm_rows(np.array([p, p])).tolist() == [list(adjusted)] * 2


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([]) == ()
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.5, math.nan])


@pytest.mark.parametrize(("t", "n"), [(0.0, 5), (-4.0621, 10), (2.5, 6), (30.0, 4), (900.0, 3), (-1100.0, 8)])
def test_d_z_interval_inverts_the_noncentral_t(t: float, n: int) -> None:
    effect_size = standardized(t, n, n - 1)
    assert effect_size.mean == pytest.approx(t / math.sqrt(n))
    tails = [scipy_stats.nct.cdf(t, n - 1, end * math.sqrt(n)) for end in (effect_size.low, effect_size.high)]
    assert tails == pytest.approx([0.975, 0.025], abs=2e-4)


@pytest.mark.parametrize(("difference", "n"), [(0.5, 6), (1.0, 6), (1.0, 12), (-2.0, 4), (0.0, 6)])
def test_power_is_that_of_statsmodels(difference: float, n: int) -> None:
    assert power(2 * difference, 2.0, n) == pytest.approx(TTestPower().power(difference, n, 0.05), abs=1e-7)


@pytest.mark.parametrize("n", [3, 6, 8, 24])
def test_detectable_difference_has_power_80_percent(n: int) -> None:
    assert detectable(1.0, n) == pytest.approx(TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8), abs=1e-4)
    assert power(detectable(3.0, n), 3.0, n) == pytest.approx(0.8, abs=1e-4)
    assert detectable(3.0, n, df=2) >= detectable(3.0, n)


@pytest.mark.parametrize("family", range(1, 11))
def test_detectable_difference_is_found_by_holm_with_80_percent_power_where_it_is_the_only_real_one(
    family: int,
) -> None:
    studies, n = 20_000, 8
    differences = np.random.default_rng(family).normal(size=(studies, family, n))
    differences[:, 0] += detectable(1.0, n, family=family)
    found = float((holm_rows(samples(differences).p)[:, 0] < 0.05).mean())
    assert found == pytest.approx(0.8, abs=3 * math.sqrt(0.8 * 0.2 / studies))


def test_detectable_difference_of_two_pairs_in_a_large_family_is_found_beyond_the_range_of_scipys_search() -> None:
    assert quantile(1, 0.05 / 1000) > 1000
    difference = detectable(1.0, 2, family=1000)
    p = samples(np.random.default_rng(0).normal(difference, size=(20_000, 2))).p
    assert float((p < 0.05 / 1000).mean()) == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("family", [1, 6])
def test_needed_n_of_a_family_is_the_fewest_whose_corrected_test_has_80_percent_power(family: int) -> None:
    n = needed_n(1.0, 1.0, family)
    assert power(1.0, 1.0, n - 1, family=family) < 0.8 <= power(1.0, 1.0, n, family=family)
    assert power(1.0, 1.0, n, family=family) == pytest.approx(TTestPower().power(1.0, n, 0.05 / family), abs=1e-7)


@given(P_VALUES)
def test_holm_rejects_exactly_where_p_is_below_the_level_of_its_step(p: list[float]) -> None:
    rejected = [adjusted < 0.05 for adjusted in holm(p)]
    assert [value * step < 0.05 for value, step in zip(p, holm_steps(p), strict=True)] == rejected


def test_holm_steps_by_hand() -> None:
    assert holm_steps([0.03, 0.001, 0.015, 0.8]) == (2, 4, 3, 2)
    # The second test stops the procedure: the last two are decided at its step, though 0.04 alone would pass a step 1.
    assert holm_steps([0.001, 0.03, 0.04]) == (3, 2, 2)
    assert holm_steps([]) == ()


@pytest.mark.parametrize(("successes", "n"), [(0, 6), (1, 8), (6, 6)])
def test_share_bound_is_the_one_sided_clopper_pearson_bound(successes: int, n: int) -> None:
    exact = scipy_stats.binomtest(successes, n).proportion_ci(0.90).high
    assert share_bound(successes, n) == pytest.approx(exact)
    assert share_bound(0, 6) == pytest.approx(1 - 0.05 ** (1 / 6))


@pytest.mark.parametrize(("difference", "sd"), [(1.0, 1.0), (0.3, 1.0), (-5.0, 1.0), (2.0, 0.0)])
def test_needed_n_is_the_fewest_that_reach_80_percent(difference: float, sd: float) -> None:
    n = needed_n(difference, sd)
    assert power(difference, sd, n) >= 0.8
    assert n == 2 or power(difference, sd, n - 1) < 0.8


def test_no_n_finds_no_difference() -> None:
    with pytest.raises(ValueError, match="difference of 0"):
        needed_n(0.0, 1.0)
    with pytest.raises(ValueError, match="over 1,000,000 pairs"):
        needed_n(1e-6, 1.0)


def test_stein_total_makes_the_interval_as_narrow_as_asked() -> None:
    first = [0.2, 1.4, -0.6, 0.9, 0.1, 1.1]
    half = scipy_stats.t.ppf(0.975, 5) * np.std(first, ddof=1)
    n = stein_total(first, 0.3, 1000)
    assert half / math.sqrt(n) <= 0.3 < half / math.sqrt(n - 1)
    assert stein_total(first, 0.3, 20) == 20
    assert stein_total(first, 100.0, 1000) == 6
    assert stein_total([1.0, 1.0, 1.0], 0.1, 50) == 3
    assert stein_totals(np.array([first, first]), 0.3, 1000).tolist() == [n, n]


def test_stein_keeps_the_first_variance_and_its_degrees_of_freedom() -> None:
    before, after = drawn(10)
    comparison = paired(list(before), list(after), first=6)
    assert comparison is not None
    sd = np.std((after - before)[:6], ddof=1)
    half = scipy_stats.t.ppf(0.975, 5) * sd / math.sqrt(10)
    assert (comparison.first, comparison.df) == (6, 5)
    assert comparison.sd == pytest.approx(sd)
    assert comparison.high - comparison.mean == pytest.approx(half)
    assert comparison.p == pytest.approx(2 * scipy_stats.t.sf(abs(comparison.mean) / (sd / math.sqrt(10)), 5))
    assert comparison.d_z == pytest.approx(comparison.mean / np.std(after - before, ddof=1))


@pytest.mark.parametrize("first", [None, 0, 1, 10, 12])
def test_a_first_stage_that_is_no_part_changes_nothing(first: int | None) -> None:
    before, after = drawn(10)
    assert paired(list(before), list(after), first=first) == paired(list(before), list(after))


@pytest.mark.parametrize(
    ("sd", "precision", "most"), [(1.0, 0.5, 24), (1.0, 1.0, 1000), (0.1, 1.0, 24), (0.0, 0.5, 24)]
)
def test_expected_n_is_the_mean_of_simulated_totals(sd: float, precision: float, most: int) -> None:
    totals = stein_totals(np.random.default_rng(0).normal(0, sd, size=(40_000, 6)), precision, most)
    assert expected_n(sd, precision, 6, most) == pytest.approx(totals.mean(), rel=0.01)


@pytest.mark.parametrize(("successes", "n"), [(0, 6), (3, 6), (6, 6), (1, 40)])
def test_share_interval_is_clopper_pearson(successes: int, n: int) -> None:
    assert share_interval(successes, n) == pytest.approx(proportion_confint(successes, n, method="beta"), nan_ok=True)


def test_half_a_success_widens_the_share_to_whole_counts() -> None:
    assert share_interval(2.5, 6) == (share_interval(2, 6)[0], share_interval(3, 6)[1])
    with pytest.raises(ValueError, match="0 to n"):
        share_interval(7, 6)


@pytest.mark.parametrize(("goal", "share"), [("maximize", 0.625), ("minimize", 0.375)])
def test_superiority_counts_wins_by_the_goal_and_ties_as_half(goal: str, share: float) -> None:
    comparison = paired([1.0, 1.0, 1.0, 1.0], [2.0, 0.5, 1.0, 3.0], goal=goal)  # type: ignore[arg-type]
    assert comparison is not None
    assert comparison.p_superior == share
    assert comparison.p_superior_low < share < comparison.p_superior_high


def test_bonferroni_interval_of_one_is_the_plain_one_and_widens_with_the_family() -> None:
    estimate = interval([1.0, 2.0, 4.0, 3.0])
    assert estimate is not None
    assert simultaneous(estimate, 1) == pytest.approx((estimate.low, estimate.high))
    half = scipy_stats.t.ppf(1 - 0.025 / 4, 3) * estimate.sd / 2
    assert simultaneous(estimate, 4) == pytest.approx((estimate.mean - half, estimate.mean + half))


def test_identical_pairs_have_p_1_and_no_interval_of_their_own() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = paired([90.1, 91.7, 92.3], [90.1, 91.7, 92.3], margin=0.5)
    assert result is not None
    assert (result.mean, result.sd, result.p, result.t, result.equal, result.floored) == (0, 0, 1, None, True, False)
    assert not result.estimate.has_interval
    assert (result.d_z, result.p_superior, result.detectable, result.equivalence_p) == (None, 0.5, 0, 1 / 8)


def test_interval_of_equal_differences_is_that_of_rounding_to_the_resolution() -> None:
    result = paired([90.0, 91.0, 92.0], [90.25, 91.25, 92.25], resolution=0.25, margin=1.5)
    assert result is not None
    sd = 0.25 * math.sqrt(2 / 12)
    half = scipy_stats.t.ppf(0.975, 2) * sd / math.sqrt(3)
    assert (result.sd, result.low, result.high) == pytest.approx((sd, 0.25 - half, 0.25 + half))
    assert result.t == pytest.approx(0.25 * math.sqrt(3) / sd)
    assert result.p == pytest.approx(2 * scipy_stats.t.sf(0.25 * math.sqrt(3) / sd, 2))
    assert result.equivalence_p == pytest.approx(scipy_stats.t.sf((1.5 - 0.25) * math.sqrt(3) / sd, 2))
    assert (result.equal, result.floored) == (True, True)
    assert result.detectable == pytest.approx(detectable(sd, 3))


def test_a_spread_above_the_floor_is_as_it_was_without_one() -> None:
    before, after = drawn(8)
    assert paired(list(before), list(after), resolution=0.01) == paired(list(before), list(after))


@pytest.mark.parametrize(("n", "least"), [(2, 0.95), (3, 0.95), (5, 0.935), (8, 0.925)])
def test_interval_over_tied_differences_keeps_its_coverage(n: int, least: float) -> None:
    generator, studies = np.random.default_rng(n), 4000
    for spread in (0.1, 0.5, 1.0):
        for truth in (0.0, 0.3, 0.5):
            figures = generator.uniform(0, 100, size=(studies, n))
            moved = figures + truth + generator.normal(0, spread, size=(studies, n))
            estimates = samples(np.round(moved) - np.round(figures), floor=rounding_sd(1.0, [1.0, -1.0]))
            covered = float((np.abs(estimates.mean - truth) <= estimates.half).mean())
            assert covered >= least - 3 * math.sqrt(least * (1 - least) / studies), (spread, truth)


def test_mean_of_runs_has_no_interval_from_two_nor_from_equal_ones_of_unknown_resolution() -> None:
    assert interval([90.0, 91.0]) is None
    assert interval([90.0, 90.0, 90.0]) is None
    tied = interval([90.0, 90.0, 90.0], resolution=0.5)
    assert tied is not None
    assert tied.sd == pytest.approx(0.5 / math.sqrt(12))


def test_equal_differences_take_p_from_the_sign_flip_test_even_when_rounding_blurs_them() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        comparison = paired([80.1, 90.3, 70.7, 60.9], [80.0, 90.2, 70.6, 60.8], margin=0.05)
    assert comparison is not None
    assert (comparison.sd, comparison.t, comparison.p) == (0, None, 2 / 16)
    assert not comparison.estimate.has_interval
    assert comparison.equivalence_p == 1


def test_one_side_without_variance_has_no_correlation() -> None:
    comparison = paired([1.0, 1.0, 1.0], [2.0, 3.0, 5.0])
    assert comparison is not None
    assert comparison.correlation is None


@pytest.mark.parametrize("n", [0, 1])
def test_below_two_values_there_is_no_figure(n: int) -> None:
    assert paired([1.0] * n, [2.0] * n, margin=1) is None
    assert interval([1.0] * n) is None


@pytest.mark.parametrize(
    ("before", "after", "margin", "rule"),
    [
        ([1.0], [1.0, 2.0], None, "equal length"),
        ([1.0, math.nan], [1.0, 2.0], None, "finite"),
        ([1.0], [1.0], 0, "above 0"),
    ],
)
def test_wrong_pairs_are_refused(before: list[float], after: list[float], margin: float | None, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        paired(before, after, margin=margin)


@given(FIGURES, st.integers(-1000, 1000))
def test_a_shift_of_both_sides_changes_nothing(values: list[float], shift: int) -> None:
    zeros = [0.0] * len(values)
    shifted = [value + shift for value in values]
    plain = paired(zeros, values, resolution=1 / 8)
    moved = paired([float(shift)] * len(values), shifted, resolution=1 / 8)
    assert plain is not None
    assert moved is not None
    assert (plain.mean, plain.p, plain.low, plain.sign_flip_p) == pytest.approx(
        (moved.mean, moved.p, moved.low, moved.sign_flip_p)
    )


@given(FIGURES)
def test_swapping_the_sides_swaps_the_signs_and_p_stays_within_bounds(values: list[float]) -> None:
    zeros = [0.0] * len(values)
    one, other = (paired(*pair, margin=1, resolution=1 / 8) for pair in ((zeros, values), (values, zeros)))
    assert one is not None
    assert other is not None
    assert (one.mean, one.low, one.high, one.p) == pytest.approx((-other.mean, -other.high, -other.low, other.p))
    assert one.p_superior == pytest.approx(1 - other.p_superior)
    assert one.equivalence_p == pytest.approx(other.equivalence_p)
    assert all(0 <= p <= 1 for p in (one.p, one.sign_flip_p, one.equivalence_p or 0))
    assert one.sign_flip_p >= one.smallest_sign_flip_p


FULL = np.array(list(itertools.product((1.0, -1.0), repeat=3)))


def cells(seeds: int, noise: float) -> np.ndarray:
    """A 2^3 with effects a = 4, b = -2, c = 0, ab = 1, ac = bc = 0: half of each contrast at +1, minus half at -1."""
    a, b, _ = FULL.T
    means = 90 + 2 * a - b + 0.5 * a * b
    generator = np.random.default_rng(3)
    return means + generator.normal(size=(seeds, 1)) + noise * generator.normal(size=(seeds, 8))


def test_full_factorial_gives_its_known_effects() -> None:
    effects = contrasts(cells(5, 0.0), FULL)
    assert [one.factors for one in effects] == [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]
    assert [one.location.estimate.mean for one in effects] == pytest.approx([4, -2, 0, 1, 0, 0], abs=1e-9)


def test_effects_are_means_at_present_minus_removed_and_half_differences_of_effects() -> None:
    values = cells(6, 0.4)
    a, b = FULL[:, 0], FULL[:, 1]
    main = values[:, a > 0].mean(axis=1) - values[:, a < 0].mean(axis=1)
    with_b = values[:, (a > 0) & (b > 0)].mean(axis=1) - values[:, (a < 0) & (b > 0)].mean(axis=1)
    without = values[:, (a > 0) & (b < 0)].mean(axis=1) - values[:, (a < 0) & (b < 0)].mean(axis=1)
    effects = contrasts(values, FULL)
    assert effects[0].location.t == pytest.approx(location(main).t)
    assert effects[0].location.estimate.low == pytest.approx(location(main).estimate.low)
    assert effects[3].location.estimate.mean == pytest.approx(((with_b - without) / 2).mean())
    assert effects[3].location.p == pytest.approx(scipy_stats.ttest_1samp((with_b - without) / 2, 0).pvalue)


def test_opposite_columns_share_an_estimate_with_the_sign() -> None:
    half = FULL[FULL.prod(axis=1) < 0]  # c = -ab
    effects = contrasts(cells(5, 0.1)[:, FULL.prod(axis=1) < 0], half)
    assert [(one.factors, one.aliases) for one in effects] == [
        ((0,), (((1, 2), -1),)),
        ((1,), (((0, 2), -1),)),
        ((2,), (((0, 1), -1),)),
    ]


def test_too_few_arms_or_seeds_leave_effects_undetermined() -> None:
    assert contrasts(cells(5, 0.1)[:, :5], FULL[:5]) == ()
    assert seed_effects(cells(5, 0.1)[:, :5], FULL[:5]) is None
    assert contrasts(cells(1, 0.1), FULL) == ()
    with pytest.raises(ValueError, match="arms and factors"):
        contrasts(np.ones((3, 4)), FULL)
