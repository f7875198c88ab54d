"""Verdicts: the sentence follows the Holm-adjusted p, with the interval and n, and claims no more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sweeps.evidence.equivalence import Equivalence, Margin, equivalences
from sweeps.evidence.level import Level
from sweeps.evidence.verdict import action, compared, effect, remarks
from sweeps.formatting import MetricFormat, listed, p_text
from sweeps.stats import Estimate, Paired, paired
from sweeps.trial.arm import Arm

ACCURACY = MetricFormat("validation accuracy", "%", "maximize")
LOSS = MetricFormat("val_loss", "", "minimize")
BASE = [90.0, 91.0, 92.0, 90.5, 91.5, 92.5]


def shifted(*differences: float, **settings: Any) -> Paired:
    comparison = paired(BASE[: len(differences)], [b + d for b, d in zip(BASE, differences, strict=False)], **settings)
    assert comparison is not None
    return comparison


CLEAR = (-7.0, -7.5, -6.2, -7.9, -6.4, -7.6)
SMALL = (0.1, -0.1, 0.05, 0.0, 0.12, -0.02)
WIDE = (1.0, -1.4, 0.2, 0.9, -1.8, 0.6)
LEANING = (-0.9, -0.1, -0.8, -0.3, -0.05, -0.9)


def test_rejected_difference_is_told_with_its_size_interval_n_and_holm_p() -> None:
    verdict = compared("Removing relu", ACCURACY, 6, shifted(*CLEAR), 0.0003, 3)
    assert verdict.sentence == (
        "Removing relu lowered validation accuracy by 7.1 pp (95 % CI 6.4 to 7.8, n = 6 pairs, Holm p = 0.0003)."
    )
    assert verdict.short == "lower"


def test_open_difference_is_inconclusive_and_says_what_n_could_detect() -> None:
    verdict = compared("Removing flip", ACCURACY, 6, shifted(*WIDE), 1.0, 2)
    assert verdict.sentence == (
        "Removing flip: for validation accuracy inconclusive: the interval includes 0 (-0.1 pp, 95 % CI -1.4 to 1.2, "
        "n = 6 pairs, Holm p = 1); n = 6 could detect 1.7 pp."
    )
    assert verdict.short == "inconclusive"


def equivalent(difference: Paired, family: int = 1, failures: int = 0, collapsed: int | None = 0) -> Equivalence:
    """The equivalence test of a difference whose p is the largest of its family."""
    level = Level(Arm("a", {}), dict.fromkeys(range(difference.n), 1.0), None, failures, (), collapsed)
    smaller = replace(difference, equivalence_p=(difference.equivalence_p or 0) / 100)
    tests = [Margin.of(difference, level, level), *[Margin.of(smaller, level, level)] * (family - 1)]
    found = equivalences(tests, difference.margin)[0]
    assert found is not None
    return found


def test_small_difference_within_the_margin_is_equivalence_with_the_interval_of_its_test_and_a_bound_on_collapse() -> (
    None
):
    difference = shifted(*SMALL, margin=0.5)
    verdict = compared("Removing flip", ACCURACY, 6, difference, 0.6, 2, equivalent(difference))
    assert verdict.sentence.startswith(
        "Removing flip: the difference in validation accuracy is smaller than ±0.5 pp (equivalence, p < 0.0001, 90 % "
        "CI of this test -0.04 to 0.09; 0 of 6 collapsed, rate below 39 %); +0.03 pp, 95 % CI -0.06 to 0.11, n = 6 "
    )
    assert verdict.short == "smaller than ±0.5 pp"


def test_95_percent_interval_beyond_the_margin_is_explained_beside_the_interval_of_the_holm_step() -> None:
    difference = shifted(*WIDE, margin=1.2)
    assert difference.low < -1.2
    verdict = compared("Removing flip", ACCURACY, 6, difference, 1.0, 3, equivalent(difference, family=3))
    assert "smaller than ±1.2 pp (equivalence, Holm p = 0.037" in verdict.sentence
    assert "90 % CI of its Holm step -1.1 to 0.9; the wider 95 % interval reaches beyond the margin, but" in (
        verdict.sentence
    )
    inside = compared("Removing flip", ACCURACY, 6, difference, 1.0, 1, equivalent(shifted(*WIDE, margin=3.0)))
    assert "beyond the margin" not in inside.sentence


def test_rounding_never_moves_the_interval_of_an_equivalence_beyond_the_margin() -> None:
    wide = shifted(*WIDE, margin=1.2)
    test = replace(equivalent(wide), margin=0.76, interval=(-0.7581, 0.4))
    assert "CI of this test -0.76 to 0.40;" in compared("Removing x", ACCURACY, 6, wide, 1.0, 1, test).sentence


@pytest.mark.parametrize("failed", [{"failures": 1}, {"collapsed": 1}], ids=["diverged", "collapsed"])
def test_a_failed_run_voids_the_claim_of_equivalence(failed: dict[str, int]) -> None:
    difference = shifted(*SMALL, margin=0.5)
    verdict = compared("Removing flip", ACCURACY, 6, difference, 0.6, 2, equivalent(difference, **failed))
    assert verdict.short == "inconclusive"
    assert "it is not called smaller than ±0.5 pp (equivalence, p < 0.0001), because 2 runs of the arms" in (
        verdict.sentence
    )


def test_collapse_that_cannot_be_judged_is_said() -> None:
    difference = shifted(*SMALL, margin=0.5)
    verdict = compared("Removing flip", ACCURACY, 6, difference, 0.6, 2, equivalent(difference, collapsed=None))
    assert "collapse not judged, as no chance level is known" in verdict.sentence


def test_difference_that_is_real_and_within_the_margin_says_both() -> None:
    difference = shifted(*[value / 20 for value in CLEAR], margin=0.5)
    verdict = compared("Removing flip", ACCURACY, 6, difference, 0.001, 2, equivalent(difference))
    assert "lowered validation accuracy by 0.35 pp" in verdict.sentence
    assert "the difference is smaller than ±0.5 pp (equivalence, p " in verdict.sentence
    assert verdict.short == "lower, smaller than ±0.5 pp"


def test_two_pairs_are_warned_of_in_every_verdict() -> None:
    for differences, p_holm in (((-7.0, -7.5), 0.04), ((1.0, -1.0), 1.0), ((0.0, 0.0), 1.0)):
        sentence = compared("Removing x", ACCURACY, 2, shifted(*differences), p_holm, 1).sentence
        assert sentence.endswith("Caution: n = 2 hardly shows a spread, so run more seeds before relying on this.")
    assert "Caution: n = 2" in effect(("relu",), ACCURACY, Estimate(3.0, 2.1, 3.9, 2, 0.9), 0.01, 3, 1.0).sentence
    assert "Caution" not in compared("Removing x", ACCURACY, 3, shifted(-7.0, -7.5, -7.2), 0.04, 1).sentence


def test_equal_differences_have_the_interval_of_rounding_or_none() -> None:
    tied = compared("Removing x", ACCURACY, 3, shifted(*[0.25] * 3, resolution=0.25), 0.051, 1).sentence
    assert "95 % CI 0.0 to 0.5, n = 3 pairs, variance that of rounding to one image" in tied
    unknown = compared("Removing x", ACCURACY, 3, shifted(*[0.25] * 3), 0.25, 1).sentence
    assert (
        "all differences are equal, and without a known resolution have no interval (+0.25 pp, no interval" in unknown
    )
    assert "CI" not in unknown


def test_interval_that_excludes_0_without_holm_is_inconclusive_and_says_why() -> None:
    difference = shifted(*LEANING)
    assert difference.high < 0
    assert difference.p < 0.05
    words = compared("Removing crop", ACCURACY, 6, difference, min(1.0, difference.p * 5), 5)
    assert "the interval by itself excludes 0, but over 5 comparisons Holm p = 0.1" in words.sentence
    assert "is not below 0.05" in words.sentence
    assert words.short == "inconclusive"


def test_identical_runs_are_called_identical() -> None:
    verdict = compared("Removing unused", ACCURACY, 6, shifted(*[0.0] * 6, margin=0.5), 1.0, 2)
    assert verdict.sentence == (
        "Removing unused: identical figures: the two recipes gave the same validation accuracy in each of 6 pairs."
    )
    assert verdict.short == "identical"


def test_equal_differences_name_the_test_that_gave_p() -> None:
    difference = shifted(*[-1.0] * 6)
    assert difference.p == pytest.approx(2 / 64)
    words = compared("Removing x", ACCURACY, 6, difference, difference.p, 1)
    assert "p = 0.031 of the sign-flip test, for the differences are all equal" in words.sentence


@pytest.mark.parametrize(("pairs", "short"), [(0, "no pair"), (1, "one pair")])
def test_too_few_pairs_give_no_verdict(pairs: int, short: str) -> None:
    assert compared("Removing x", ACCURACY, pairs, None, None, 0).short == short


def test_minimised_metric_says_better_or_worse() -> None:
    up = compared("Removing x", LOSS, 6, shifted(*[-value for value in CLEAR], goal="minimize"), 0.001, 2)
    down = compared("Removing x", LOSS, 6, shifted(*CLEAR, goal="minimize"), 0.001, 2)
    assert (up.short, down.short) == ("higher (worse)", "lower (better)")
    assert "raised val_loss by 7.10 (95 % CI 6.38 to 7.82" in up.sentence


def test_steins_first_stage_is_named() -> None:
    verdict = compared("Removing x", ACCURACY, 6, shifted(*CLEAR, first=4), 0.001, 2)
    assert "n = 6 pairs, variance of the first 4, Holm p" in verdict.sentence


def test_one_comparison_has_a_plain_p() -> None:
    assert "n = 6 pairs, p = 0.001)" in compared("Removing x", ACCURACY, 6, shifted(*CLEAR), 0.001, 1).sentence


@pytest.mark.parametrize("differences", [CLEAR, SMALL, WIDE, LEANING, (0.0,) * 6, (-1.0,) * 6])
@pytest.mark.parametrize("factor", [1, 5, 1000])
def test_no_verdict_says_no_effect_or_significant(differences: tuple[float, ...], factor: int) -> None:
    difference = shifted(*differences, margin=0.5)
    words = compared("Removing x", ACCURACY, 6, difference, min(1.0, difference.p * factor), 3)
    assert "no effect" not in words.sentence
    assert "significant" not in words.sentence
    assert words.sentence.endswith(".")


SETTINGS = {"optimizer": {"lr": 0.1}, "norm": "batch"}


@pytest.mark.parametrize(
    ("arm", "reference", "design", "phrase"),
    [
        (Arm("relu", {}, removed=("relu",)), Arm("baseline", {}), "leave_one_out", "Removing relu"),
        (Arm("x", {}, removed=("a", "b")), Arm("baseline", {}), "leave_one_out", "Removing a and b"),
        (
            Arm("only a", {}, removed=("b", "c")),
            Arm("none", {}, removed=("a", "b", "c")),
            "add_one_in",
            "Adding a to the recipe without a, b and c",
        ),
        (
            Arm("1: optimizer.lr", {}, edits={"optimizer.lr": 0.03}, removed=("optimizer.lr",)),
            Arm("baseline", SETTINGS),
            "path",
            "Changing optimizer.lr from 0.1 to 0.03",
        ),
        (
            Arm("2: x", {}, edits={"norm": "none", "model.dropout": 0.5}, removed=("x",)),
            Arm("1: y", SETTINGS, removed=("y",)),
            "path",
            "Changing norm from batch to none and model.dropout from unset to 0.5",
        ),
        (
            Arm("relu (re-tuned)", {}, removed=("relu",), tuned=True),
            Arm("baseline (re-tuned)", {}, tuned=True),
            "leave_one_out",
            "Removing relu (both tuned again)",
        ),
        (Arm("b", {}), Arm("a", {}), "", "Replacing a by b"),
        (
            Arm("lenet5", {}),
            Arm("baseline", {}),
            "alternatives",
            "Replacing the baseline by lenet5",
        ),
    ],
)
def test_sentence_begins_with_what_was_done(arm: Arm, reference: Arm, design: str, phrase: str) -> None:
    assert action(arm, reference, design) == phrase


def test_main_effect_and_interaction_are_told_apart() -> None:
    estimate = Estimate(3.0, 2.1, 3.9, 6, 0.9)
    main = effect(("relu",), ACCURACY, estimate, 0.001, 3, 1.0)
    both = effect(("relu", "norm"), ACCURACY, estimate, 0.001, 3, 1.0)
    assert main.sentence == (
        "Having relu raised validation accuracy by 3.0 pp, averaged over the other components "
        "(95 % CI 2.1 to 3.9, n = 6 seeds, Holm p = 0.001)."
    )
    assert both.sentence == (
        "Interaction of relu and norm: norm raised the effect of relu on validation accuracy; half of that change is "
        "3.0 pp (95 % CI 2.1 to 3.9, n = 6 seeds, Holm p = 0.001)."
    )


def test_effect_within_the_margin_is_equivalence_too() -> None:
    estimate = Estimate(0.02, -0.06, 0.1, 6, 0.08)
    (test,) = equivalences([Margin(estimate, 5, 0.001, 0, 6, True)], 0.5)
    verdict = effect(("relu",), ACCURACY, estimate, 0.6, 3, 0.2, test)
    assert verdict.sentence == (
        "Main effect of relu: on validation accuracy it is smaller than ±0.5 pp (equivalence, p = 0.001, 90 % CI of "
        "this test -0.04 to 0.08; 0 of 6 collapsed, rate below 39 %); +0.02 pp, 95 % CI -0.06 to 0.10, n = 6 seeds, "
        "Holm p = 0.6."
    )
    assert verdict.short == "smaller than ±0.5 pp"
    assert test is not None
    moved = effect(("relu",), ACCURACY, replace(estimate, low=0.01), 0.01, 3, 0.2, test)
    assert moved.short == "higher, smaller than ±0.5 pp"
    void = effect(("relu",), ACCURACY, estimate, 0.6, 3, 0.2, replace(test, failures=1, interval=None))
    assert void.short == "inconclusive"
    assert "it is not called smaller than ±0.5 pp" in void.sentence


def test_open_effect_is_inconclusive() -> None:
    verdict = effect(("relu", "norm"), ACCURACY, Estimate(0.2, -0.5, 0.9, 6, 0.7), 0.9, 3, 1.0)
    assert verdict.sentence == (
        "Interaction of relu and norm: for validation accuracy inconclusive: the interval includes 0 (+0.2 pp, "
        "95 % CI -0.5 to 0.9, n = 6 seeds, Holm p = 0.9); n = 6 could detect 1.0 pp."
    )


def test_remarks_name_divergence_and_what_was_left_out() -> None:
    lost = [(3, "baseline: failed: the node died")]
    texts = remarks("replicate", "widths scaled by 0.84 to fit", (2, 1), 6, (1, 1), lost)
    assert texts == (
        " Widths scaled by 0.84 to fit. 2 of its 6 runs diverged and count at chance level. 1 of its 6 runs collapsed: "
        "at chance level, where the others are not. 1 run of the reference diverged and counts at chance level. 1 run "
        "of the reference collapsed to chance level. Left out: replicate 3 (baseline: failed: the node died)."
    )
    assert remarks("replicate", "", (0, 0), 6, (0, 0), []) == ""


@pytest.mark.parametrize(
    ("p", "phrase"),
    [
        (0.0003, "= 0.0003"),
        (0.00001, "< 0.0001"),
        (0.04996, "= 0.04996"),
        (0.05, "= 0.05"),
        (0.123, "= 0.12"),
        (1.0, "= 1"),
    ],
)
def test_p_never_rounds_across_the_level(p: float, phrase: str) -> None:
    assert p_text(p) == phrase


def test_names_are_listed_as_in_a_sentence() -> None:
    assert [listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


def test_metric_is_called_by_the_part_of_the_data() -> None:
    assert ACCURACY.on("test").label == "test accuracy"
    assert LOSS.on("test").label == "test loss"


def test_equal_differences_name_no_difference_that_could_be_detected() -> None:
    same = shifted(-8.0, -8.0, -8.0)
    assert same.sd == 0
    assert "could detect" not in compared("Removing relu", ACCURACY, 3, same, 0.25, 1).sentence
    assert "could detect" not in effect(("relu",), ACCURACY, Estimate(-8.0, -8.0, -8.0, 3, 0.0), 0.25, 1, 0.0).sentence


def test_no_more_than_100_percentage_points_are_called_detectable() -> None:
    scattered = compared("Removing relu", ACCURACY, 3, shifted(-40.0, 10.0, 60.0), 0.6, 1)
    assert scattered.sentence.endswith("; n = 3 could not be sure to detect even 100 pp.")
    assert "could detect" in compared("Removing relu", LOSS, 3, shifted(-40.0, 10.0, 60.0), 0.6, 1).sentence
