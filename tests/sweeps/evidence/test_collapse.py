"""Collapsed runs, equivalence over a family, and ties: from recorded runs to sentences and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweeps.artifacts.confusion import Confusion, write_confusion
from sweeps.artifacts.layout import trial_folder
from sweeps.evidence import Ablation, ablation, final
from sweeps.evidence.level import Chance
from sweeps.evidence.verdict import INCONCLUSIVE
from sweeps.prepare.prepared import settle
from sweeps.stats import paired
from sweeps.storage.drift import as_trained
from sweeps.storage.results import Results
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Status
from sweeps.workload import load
from tests.sweeps.support import toy_study

from .test_evidence import BASE, NO_A, results, stage

IMAGES = 1500
# Correct validation images of the published study ablation_resnet, by seed: one run without norm ended at exactly 10 %.
BASELINE = [858, 875, 841, 822, 833, 811, 825, 837]
NORM = [638, 150, 695, 590, 680, 655, 614, 654]
RESIDUAL = [857, 864, 883, 829, 848, 849, 795, 827]


def accuracies(correct: Sequence[int], images: int = IMAGES) -> list[float]:
    return [100 * number / images for number in correct]


def arm(name: str) -> Arm:
    return Arm(name, {name: 0}, removed=(name,), reference="baseline")


def judged(plain: Results, images: int | None = IMAGES, chance: float | None = 10.0) -> Results:
    """The results with the provenance that a run records."""
    data = {} if images is None else {"validation_images": images}
    workload = {"chance": {} if chance is None else {"val_accuracy": chance}, "percentages": ["accuracy"]}
    return replace(plain, environment={"data": data, "workload": workload})


def compared(folder: Path, *rows: tuple[Arm, Sequence[Any]], margin: float = 0.5, **provenance: Any) -> Ablation:
    rule = {"components": {"a": {"lr": 0.1}}, "seeds": 6, "margin": margin}
    plain = results(folder, stage("ablation", *rows, design="leave_one_out"), ablation=rule)
    evidence = ablation(judged(plain, **provenance))
    assert evidence is not None
    return evidence


def test_the_published_run_at_chance_has_collapsed_and_the_estimate_is_given_without_it(tmp_path: Path) -> None:
    rows = [(BASE, accuracies(BASELINE)), (arm("norm"), accuracies(NORM)), (arm("residual"), accuracies(RESIDUAL))]
    evidence = compared(tmp_path, *rows, margin=1.0)
    assert [level.collapsed for level in evidence.levels] == [0, 1, 0]
    norm, residual = evidence.comparisons
    assert (norm.collapsed, residual.collapsed, residual.unbroken) == (1, 0, None)
    kept = [place for place, correct in enumerate(NORM) if correct != 150]
    without = paired(accuracies([BASELINE[k] for k in kept]), accuracies([NORM[k] for k in kept]))
    assert norm.unbroken is not None
    assert without is not None
    assert (norm.unbroken.mean, norm.unbroken.low) == pytest.approx((without.mean, without.low))
    assert norm.paired is not None
    assert norm.paired.mean == pytest.approx(-16.8833, abs=1e-4)
    assert "1 of its 8 runs collapsed: at chance level, where the others are not." in norm.verdict
    assert "Without the 1 pair of such runs the difference is -12.4 pp (95 % CI -14.6 to -10.2, n = 7 pairs)." in (
        norm.verdict
    )


def test_number_of_images_is_that_of_the_run_that_the_cache_took_from_another_study(tmp_path: Path) -> None:
    plain = results(tmp_path / "copy", stage("ablation", (BASE, [90.0]), design="leave_one_out"))
    folder = trial_folder(tmp_path / "source", 4, "ablation")
    folder.mkdir(parents=True)
    write_confusion(folder, "validation", Confusion(("a", "b"), ((30, 20), (10, 40))))
    of_stage = plain.stages["ablation"]
    cached = replace(of_stage, trials=tuple(replace(one, source="source/ablation/4") for one in of_stage.trials))
    assert (plain.images(of_stage), plain.images(cached)) == (None, 100)


@pytest.mark.parametrize(
    ("correct", "collapsed"),
    [
        ([160, 140, 900], 2),  # two of three, and one that is clear of chance
        ([150, 152, 149], 0),  # the whole arm is at chance: not collapsed, but bad
        ([150, 170, 190], 0),  # an arm that hardly learns: no run is clear of chance
        ([172, 900, 900], 1),  # 1.47 points above chance, within 1.96 standard errors of a guess (1.52)
        ([174, 900, 900], 0),
        ([0, 900, 900], 1),  # worse than chance
    ],
)
def test_collapsed_are_those_at_chance_while_others_of_the_arm_are_clear_of_it(
    correct: list[int], collapsed: int, tmp_path: Path
) -> None:
    evidence = compared(tmp_path, (BASE, accuracies([900, 905, 895])), (NO_A, accuracies(correct)))
    assert evidence.levels[1].collapsed == collapsed


def test_of_a_loss_only_what_is_near_the_chance_level_has_collapsed() -> None:
    chance = Chance.of(2.303, "minimize", percent=False, images=None)
    assert chance.collapsed({0: 2.30, 1: 0.9, 2: 1.1}) == {0}
    assert chance.collapsed({0: 2.9, 1: 0.9, 2: 1.1}) == frozenset()
    few = Chance.of(10.0, "maximize", percent=True, images=None)
    assert few.collapsed({0: 10.1, 1: 60.0}) == {0}
    assert few.collapsed({0: 10.3, 1: 60.0}) == frozenset()


def test_without_a_chance_level_nothing_is_judged(tmp_path: Path) -> None:
    rows = [(BASE, accuracies(BASELINE)), (arm("norm"), accuracies(NORM))]
    evidence = compared(tmp_path, *rows, chance=None)
    assert [level.collapsed for level in evidence.levels] == [None, None]
    assert "collapsed" not in evidence.comparisons[0].verdict


def test_a_run_records_what_guessing_reaches(tmp_path: Path) -> None:
    environment = settle(toy_study(), load("tests.toy"), tmp_path, {}).environment
    assert environment["workload"]["chance"] == {"val_accuracy": 10.0}
    shown = as_trained({"workload": {"name": "tests.toy", "code_sha256": "old"}}, {**environment, "command": "sweep"})
    assert shown["workload"]["chance"] == {"val_accuracy": 10.0}
    assert shown["workload"]["code_sha256"] == "old"


def test_a_study_of_before_takes_chance_from_the_classes_of_its_data(tmp_path: Path) -> None:
    plain = results(tmp_path)
    assert replace(plain, environment={"data": {"classes": 4}}).chance == 25.0
    assert plain.chance is None
    assert replace(plain, environment={"data": {"classes": 4}, "workload": {"chance": {}}}).chance is None


def test_a_diverged_run_is_left_out_of_the_second_estimate_and_is_not_called_collapsed(tmp_path: Path) -> None:
    values: list[Any] = [*accuracies(RESIDUAL[:5]), Status.DIVERGED]
    [one] = compared(tmp_path, (BASE, accuracies(BASELINE[:6])), (NO_A, values)).comparisons
    assert (one.diverged, one.collapsed) == (1, 0)
    assert one.unbroken is not None
    assert one.unbroken.n == 5


def test_a_collapse_in_the_reference_voids_equivalence(tmp_path: Path) -> None:
    reference, values = accuracies([150, *[900] * 7]), accuracies([151, 901, 899, 902, 900, 898, 901, 899])
    [one] = compared(tmp_path, (BASE, reference), (NO_A, values)).comparisons
    assert one.equivalence is not None
    assert one.equivalence.passed
    assert not one.equivalence.claimed
    assert one.equivalence.interval is None
    assert one.short == INCONCLUSIVE
    assert "is not called smaller than ±0.5 pp (equivalence, p " in one.verdict


def spread_around(shift: float, seeds: int = 8) -> list[float]:
    """Accuracies around those of the baseline, with a spread of about half a point."""
    noise = (0.5, -0.4, 0.3, -0.6, 0.1, 0.4, -0.5, 0.2)
    return [accuracy + shift + noise[seed] for seed, accuracy in enumerate(accuracies(BASELINE)[:seeds])]


def test_equivalence_is_corrected_over_the_components_and_shown_with_the_interval_of_its_step(tmp_path: Path) -> None:
    shifts = (0.0, 0.1, 0.2, 0.3, 0.45, 0.9)
    rows = [(BASE, accuracies(BASELINE)), *((arm(f"c{n}"), spread_around(shift)) for n, shift in enumerate(shifts))]
    comparisons = compared(tmp_path, *rows, margin=0.75).comparisons
    tests = [one.equivalence for one in comparisons]
    assert all(test is not None and test.family == 6 for test in tests)
    p = sorted(test.p for test in tests if test)
    for one, test in zip(comparisons, tests, strict=True):
        assert test is not None
        assert test.interval is not None
        low, high = test.interval
        # No whisker contradicts the words.
        assert (max(-low, high) < 0.75) == test.passed == ("smaller than ±0.75 pp" in one.short)
        if test.passed:
            assert test.coverage == pytest.approx(1 - 0.1 / (6 - p.index(test.p)))
            assert f"{100 * test.coverage:.3g} % CI of its Holm step " in one.verdict
    assert [one.paired.equivalence_p < 0.05 for one in comparisons if one.paired].count(True) > sum(
        bool(test and test.passed) for test in tests
    )


def test_detectable_difference_and_sign_flip_are_those_of_the_family(tmp_path: Path) -> None:
    rows = [(BASE, accuracies(BASELINE)), *((arm(f"c{n}"), spread_around(0.1 * n)) for n in range(6))]
    comparisons = compared(tmp_path, *rows).comparisons
    for one in comparisons:
        assert one.paired is not None
        pair_values = [pair.reference for pair in one.pairs], [pair.value for pair in one.pairs]
        alone = paired(*pair_values, resolution=100 / IMAGES)
        assert alone is not None
        assert one.paired.detectable > alone.detectable
        assert one.sign_flip_holm is not None
        assert one.paired.sign_flip_p <= one.sign_flip_holm <= min(1.0, 6 * one.paired.sign_flip_p)
    strongest = min(comparisons, key=lambda one: one.paired.sign_flip_p if one.paired else 1.0)
    assert strongest.paired is not None
    assert strongest.sign_flip_holm == pytest.approx(min(1.0, 6 * strongest.paired.sign_flip_p))


@pytest.mark.parametrize("images", [400, None])
def test_ties_have_the_interval_of_rounding_to_one_image_or_none(images: int | None, tmp_path: Path) -> None:
    reference, values = [90.0, 90.5, 91.0], [90.25, 90.75, 91.25]
    [one] = compared(tmp_path, (BASE, reference), (NO_A, values), images=images).comparisons
    assert one.paired is not None
    assert one.paired.estimate.has_interval == (images is not None)
    assert (one.simultaneous is None) == (images is None)
    assert "95 % CI 0.25 to 0.25" not in one.verdict
    assert ("no interval" in one.verdict) == (images is None)


def test_two_runs_of_an_arm_have_no_interval_and_their_pairs_have_one_with_a_caution(tmp_path: Path) -> None:
    evidence = compared(tmp_path, (BASE, [90.0, 91.0]), (NO_A, [88.0, 89.5]))
    assert [level.mean for level in evidence.levels] == [None, None]
    [one] = evidence.comparisons
    assert one.paired is not None
    assert one.paired.estimate.has_interval
    assert "Caution: n = 2" in one.verdict


def test_images_of_a_set_are_counted_in_its_confusion_matrix_and_its_runs_judged_by_them(tmp_path: Path) -> None:
    runs = stage("final", (BASE, [60.0, 61.0, 11.8]), sets=["test"])
    measured = tuple(replace(run, metrics={"test": {"accuracy": run.value or 0.0}}) for run in runs.trials)
    folder = trial_folder(tmp_path, 0, "final")
    folder.mkdir(parents=True)
    write_confusion(folder, "test", Confusion.of(["cat", "dog"], [[150, 50], [70, 130]]))
    plain = judged(results(tmp_path, replace(runs, trials=measured)), images=None)
    assert plain.images(plain.stages["final"], "test") == 400
    evidence = final(plain)
    assert evidence is not None
    # 1.96 standard errors of a guess among 400 images are 2.9 points; 2 % of the chance level would be 0.2.
    assert [level.collapsed for level in evidence.sets[0].levels] == [1]


def test_effects_of_a_factorial_are_tested_against_the_margin_as_one_family(tmp_path: Path) -> None:
    none = Arm("no a, b", {"a": 0, "b": 0}, removed=("a", "b"), reference="baseline")
    rows = [(BASE, accuracies(BASELINE)), *((arm(name), spread_around(shift)) for name, shift in (("a", 0), ("b", 9)))]
    both = [value + 9.1 for value in spread_around(0.0)]
    rule = {"components": {"a": {"lr": 0.1}, "b": {"momentum": 0.1}}, "seeds": 8, "margin": 1.0, "design": "factorial"}
    plain = results(tmp_path, stage("ablation", *rows, (none, both), design="factorial"), ablation=rule)
    evidence = ablation(judged(plain))
    assert evidence is not None
    tests = [one.equivalence for one in evidence.effects]
    assert [test.family if test else None for test in tests] == [3, 3, 3]
    for one, test in zip(evidence.effects, tests, strict=True):
        assert test is not None
        assert test.interval is not None
        assert (max(-test.interval[0], test.interval[1]) < 1.0) == test.passed == ("smaller than" in one.short)
        assert one.sign_flip_holm is not None
        assert one.sign_flip_p is not None
        assert one.sign_flip_holm >= one.sign_flip_p
    assert [one.short for one in evidence.effects].count("lower") == 1


def test_effects_of_a_factorial_are_given_without_the_seeds_of_failed_runs_too(tmp_path: Path) -> None:
    neither = Arm("a, b", {"a": 0, "b": 0}, removed=("a", "b"), reference="baseline")
    values: list[list[Any]] = [[80.0, 81.0, 82.0, 80.5], [79.0, 80.2, 81.1, 10.0], [80.1, 81.1, 81.9, 80.6], []]
    values[3] = [79.2, Status.DIVERGED, 81.0, 79.6]
    rows = list(zip((BASE, NO_A, arm("b"), neither), values, strict=True))
    plain = results(tmp_path, stage("ablation", *rows, design="factorial"))
    evidence = ablation(judged(plain))
    assert evidence is not None
    main = evidence.effects[0]
    assert main.unbroken is not None
    assert (main.estimate.n, main.unbroken.n) == (4, 2)
    assert main.unbroken.mean == pytest.approx(((80 - 79 + 80.1 - 79.2) + (82 - 81.1 + 81.9 - 81)) / 4)
    said = (
        " 1 run of the arms diverged and counts at chance level. 1 run of the arms collapsed to chance level. Without "
    )
    assert f"{said}the 2 seeds of such runs the effect is +0.9" in main.verdict
