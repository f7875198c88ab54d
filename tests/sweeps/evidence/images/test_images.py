"""Per-image evidence: every figure computed again by another way."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from benchmarks.image_evidence import study
from sweeps.artifacts.layout import trial_folder
from sweeps.artifacts.predictions import ImagePredictions, predictions_file
from sweeps.evidence.images import image_evidence
from sweeps.evidence.images.calibration import calibration, reliability
from sweeps.evidence.images.class_differences import class_differences
from sweeps.evidence.images.flips import flips, needed
from sweeps.evidence.images.quality import quality
from sweeps.evidence.images.runs import ArmRuns, SetRuns, set_names
from sweeps.storage.results import StageResults
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Status

from ...report.staged import ablation_stage, final_stage, staged
from .made import answers, drawn, leave, set_runs

ARM = Arm("baseline", {})


def test_class_differences_are_paired_t_tests_corrected_over_classes_and_arms() -> None:
    shares = {"baseline": 0.6, "relu": 0.3, "norm": 0.58}
    runs = set_runs({name: [drawn(seed, share) for seed in range(4)] for name, share in shares.items()})
    found = class_differences(runs)
    assert [(one.arm.name, one.name) for one in found] == [
        (arm, name) for arm in ("relu", "norm") for name in ("cat", "dog", "cow")
    ]
    for one in found:
        before, after = (
            [100 * run.correct[run.labels == one.label].mean() for run in runs_of(runs, name)]
            for name in ("baseline", one.arm.name)
        )
        test = stats.ttest_rel(after, before)
        assert one.difference.mean == pytest.approx(np.mean(after) - np.mean(before))
        if np.std(np.subtract(after, before), ddof=1) >= 100 / 30:
            assert one.p == pytest.approx(test.pvalue)
            ends = test.confidence_interval()
            assert (one.difference.low, one.difference.high) == pytest.approx((ends.low, ends.high))
    adjusted = multipletests([one.p for one in found], method="holm")[1]
    assert [one.p_holm for one in found] == pytest.approx(list(adjusted))


def runs_of(runs: SetRuns, name: str) -> list[ImagePredictions]:
    return [run for each in runs.arms if each.arm.name == name for run in each.runs.values()]


def test_equal_class_differences_have_the_width_of_one_image() -> None:
    labels = [0] * 10
    before, after = answers(labels, [0] * 8 + [1] * 2), answers(labels, [0] * 6 + [1] * 4)
    [one] = class_differences(set_runs({"baseline": [before] * 4, "relu": [after] * 4}))
    half = stats.t.ppf(0.975, 3) * 10 / 2  # one of 10 images is 10 points
    assert (one.difference.low, one.difference.high) == pytest.approx((-20 - half, -20 + half))
    assert one.p == pytest.approx(2 * stats.t.sf(20 / 5, 3))


def test_two_pairs_give_no_class_difference() -> None:
    runs = set_runs({name: [drawn(seed, share) for seed in (0, 1)] for name, share in (("baseline", 0.5), ("a", 0.4))})
    assert class_differences(runs) == ()
    assert len(flips(runs)) == 1


@pytest.mark.parametrize(("seeds", "least"), [(2, 2), (3, 3), (4, 4), (5, 4), (6, 5), (8, 7), (10, 8), (20, 16)])
def test_image_flips_where_four_fifths_of_the_seeds_agree(seeds: int, least: int) -> None:
    assert needed(seeds) == least


def test_images_that_flip_are_named_with_their_seeds_and_classes() -> None:
    labels = [0, 1, 2, 0]
    with_it = [answers(labels, [0, 1, 2, 1]), answers(labels, [0, 1, 2, 1]), answers(labels, [0, 1, 1, 1])]
    without = [answers(labels, [2, 1, 0, 0]), answers(labels, [2, 1, 0, 0]), answers(labels, [1, 1, 0, 0])]
    [found] = flips(set_runs({"baseline": with_it, "relu": without}))
    assert [(one.image, one.reference_right, one.arm_right) for one in found.images] == [(0, 3, 0), (3, 0, 3)]
    assert (found.lost, found.gained, found.compared, found.seeds) == (1, 1, 4, 3)
    first = found.images[0]
    assert (first.label, first.reference_class, first.arm_class) == (0, 0, 2)


def test_flips_expected_by_chance_are_those_over_all_exchanges_of_arms_within_seeds() -> None:
    runs = set_runs({name: [drawn(seed, share, 40) for seed in range(3)] for name, share in (("b", 0.3), ("a", 0.2))})
    [found] = flips(runs)
    pairs = list(zip(runs_of(runs, "b"), runs_of(runs, "a"), strict=True))
    lost = [
        flips(set_runs({"b": [p[s] for p, s in zip(pairs, swap, strict=True)],
                        "a": [p[1 - s] for p, s in zip(pairs, swap, strict=True)]}))[0].lost
        for swap in product((0, 1), repeat=3)
    ]  # fmt: skip
    assert found.by_chance == pytest.approx(np.mean(lost))
    assert found.by_chance > 0


def test_arms_that_differ_by_their_seeds_alone_seldom_differ_in_a_class() -> None:
    draws = np.random.default_rng(0)
    made = [study(draws, 6, 300, 0.3, 2.5) for _ in range(40)]
    wrong = sum(min(one.p_holm for one in class_differences(each)) < 0.05 for each in made)
    assert wrong <= stats.binom.ppf(0.999, 40, 0.05)
    found = [one for each in made for one in flips(each)]
    assert sum(one.lost for one in found) == pytest.approx(sum(one.by_chance for one in found), rel=0.35)


def test_images_of_several_splits_are_compared_where_two_seeds_share_them() -> None:
    labels, images = [0, 0, 0], ([7, 8, 9], [8, 9, 10**17])
    with_it = [answers(labels, [0, 0, 0], each) for each in images]
    without = [answers(labels, [1, 1, 0], each) for each in images]
    [found] = flips(set_runs({"baseline": with_it, "relu": without}))
    assert found.compared == 2  # 8 and 9; an index beyond all memory is one more image
    assert [one.image for one in found.images] == [8]


def test_pairs_with_other_images_are_left_out() -> None:
    runs = set_runs({"baseline": [drawn(0, 0.5), drawn(1, 0.5)], "relu": [drawn(0, 0.4), drawn(1, 0.4, first=1)]})
    assert flips(runs) == ()


def test_calibration_is_that_of_fifteen_bins_of_equal_mass() -> None:
    run = drawn(3, 0.5, 100, logits=True)
    found = calibration(run)
    assert found is not None
    order = np.argsort(run.top_probability, kind="stable")
    bins = np.array_split(order, 15)
    gaps = [len(b) * abs(run.top_probability[b].astype(float).mean() - run.correct[b].mean()) for b in bins]
    assert found.ece == pytest.approx(100 * sum(gaps) / 100)
    assert found.nll == pytest.approx(-run.label_log_probability.mean(), rel=1e-6)
    assert run.logits is not None
    shares = np.exp(run.logits.astype(float))
    shares /= shares.sum(1, keepdims=True)
    assert found.brier == pytest.approx(((shares - np.eye(3)[run.labels]) ** 2).sum(1).mean())
    assert sum(one.images for one in reliability([run, run])) == 200
    assert replace(run, logits=None).accuracy == run.accuracy
    missing = replace(run, top_probability=np.where(np.arange(100) == 4, np.nan, run.top_probability))
    assert calibration(missing) is None


def test_churn_is_the_mean_disagreement_of_pairs_of_seeds() -> None:
    labels = [0, 0, 0, 0]
    runs = [answers(labels, [0, 0, 0, 0]), answers(labels, [0, 0, 0, 1]), answers(labels, [0, 0, 1, 2])]
    found = quality(ArmRuns(ARM, dict(enumerate(runs)))).churn
    assert found is not None
    assert found.percent == pytest.approx(100 * (1 + 2 + 2) / 12)
    assert found.pairs == 3
    apart = [answers([0, 0], [0, 1], [1, 2]), answers([0, 0], [0, 0], [2, 3])]
    found = quality(ArmRuns(ARM, dict(enumerate(apart)))).churn
    assert found is not None
    assert (found.percent, found.images) == (100, 1)
    assert quality(ArmRuns(ARM, {0: apart[0]})).churn is None


def test_ensemble_is_the_class_of_the_mean_probabilities() -> None:
    runs = [drawn(seed, 0.3, logits=True) for seed in range(3)]
    found = quality(ArmRuns(ARM, dict(enumerate(runs)))).ensemble
    assert found is not None
    logits = np.array([run.logits for run in runs], float)
    shares = np.exp(logits) / np.exp(logits).sum(2, keepdims=True)
    assert found.accuracy == pytest.approx(100 * (shares.mean(0).argmax(1) == runs[0].labels).mean())
    assert found.single == pytest.approx(np.mean([run.accuracy for run in runs]))
    assert (found.models, found.images) == (3, 90)
    assert quality(ArmRuns(ARM, {0: runs[0], 1: drawn(1, 0.3)})).ensemble is None


def test_study_has_the_evidence_of_ablation_and_final(tmp_path: Path) -> None:
    findings = staged(tmp_path)
    shares = {"baseline": 0.6, "relu": 0.2, "batch_norm": 0.55}
    leave(tmp_path, ablation_stage(), "validation", shares, logits=False)
    leave(tmp_path, final_stage(), "test", shares, logits=True)
    found = findings.images
    assert [(each.stage, each.name, each.shared) for each in found.sets] == [
        ("ablation", "validation", False),
        ("final", "test", True),
    ]
    assert found.main is found.sets[1] if found.sets[1].flips else found.main is found.sets[0]
    assert [one.arm.name for one in found.sets[0].flips] == ["relu", "batch_norm"]
    assert found.sets[0].class_name(1) == "dog"
    assert found.sets[0].qualities[0].ensemble is None
    assert found.sets[1].qualities[0].ensemble is not None


def test_missing_and_damaged_predictions_are_said(tmp_path: Path) -> None:
    findings = staged(tmp_path)
    assert findings.images.sets == ()
    assert [line.partition(":")[0] for line in findings.images.missing] == [
        "no run of ablation has kept its predictions for validation",
        "no run of final has kept its predictions for test and 11 further sets",
    ]
    stage = ablation_stage()
    leave(tmp_path, stage, "validation", {"baseline": 0.5}, logits=False)
    first = next(run for run in stage.trials if run.variant == "baseline" and run.status is Status.COMPLETE)
    predictions_file(trial_folder(tmp_path, first.number, "ablation"), "validation").write_bytes(b"nonsense")
    missing = image_evidence(findings.results).missing
    assert any("validation.npz is no intact file of predictions" in line for line in missing)
    assert any("of ablation left no predictions for validation" in line for line in missing)


def test_ablation_that_has_only_been_declared_does_not_hide_the_runs_of_confirm(tmp_path: Path) -> None:
    results = staged(tmp_path).results
    stages = {**results.stages, "ablation": StageResults("ablation", facts={"declared": {}})}
    assert set_names(results)[0] == ("ablation", "validation")
    assert set_names(replace(results, stages=stages))[0] == ("confirm", "validation")


def test_run_from_the_result_cache_has_the_predictions_of_its_source(tmp_path: Path) -> None:
    stage = ablation_stage()
    moved = tuple(replace(run, source=f"other/ablation/{run.number}") for run in stage.trials)
    leave(tmp_path / "other", stage, "validation", {"baseline": 0.5}, logits=False)
    findings = staged(tmp_path / "mine")
    stages = {**findings.results.stages, "ablation": replace(stage, trials=moved)}
    [found] = image_evidence(replace(findings.results, stages=stages)).sets
    assert found.qualities[0].arm.name == "baseline"
