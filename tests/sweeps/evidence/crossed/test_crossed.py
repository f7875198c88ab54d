"""Evidence over seeds and images: from predictions, from confusion matrices, and where neither was kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sweeps.artifacts.confusion import Confusion, write_confusion
from sweeps.evidence.crossed import Basis, CrossedSet
from sweeps.evidence.findings import Findings
from sweeps.stats import approximate_accuracy, crossed_accuracy, crossed_difference
from sweeps.storage.results import Results
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Status
from tests.sweeps.support import toy_study

from .made import BASE, IMAGES, NO_A, drawn, keep, opened


def on_test(results: Results) -> CrossedSet:
    return Findings.of(results).crossed["test"]


def test_accuracy_has_the_error_of_the_seeds_and_that_of_seeds_and_images(tmp_path: Path) -> None:
    right = drawn(0.9)
    found = on_test(opened(tmp_path, (BASE, right))).accuracies["baseline"]
    expected = crossed_accuracy(right)
    assert found.such == pytest.approx((100 * expected.low, 100 * expected.high))
    assert (found.n, found.images, found.basis) == (3, IMAGES, Basis.CROSSED)
    assert found.seeds is not None
    assert found.sd == pytest.approx(found.seeds.sd)
    assert found.seed_share == expected.seed_share


def test_images_are_matched_by_their_index_and_not_by_their_order(tmp_path: Path) -> None:
    right = drawn(0.9)
    results = opened(tmp_path, (BASE, right))
    keep(results.trial_folder(1, "final"), "test", right[1], np.random.default_rng(0).permutation(IMAGES))
    again = on_test(results).accuracies["baseline"]
    expected = crossed_accuracy(right)
    assert again.such == pytest.approx((100 * expected.low, 100 * expected.high))


def test_one_seed_has_the_error_of_the_images_alone(tmp_path: Path) -> None:
    right = drawn(0.9, 1)
    found = on_test(opened(tmp_path, (BASE, right))).accuracies["baseline"]
    assert (found.n, found.seeds, found.sd, found.basis) == (1, None, None, Basis.IMAGES)
    assert found.such is not None
    assert found.such[0] < found.mean < found.such[1]


def test_difference_is_crossed_and_corrected_over_the_set(tmp_path: Path) -> None:
    other = Arm("b", {"b": 0}, removed=("b",), reference="baseline")
    base, without = drawn(0.95), drawn(0.5)
    differences = on_test(opened(tmp_path, (BASE, base), (NO_A, without), (other, drawn(0.9)))).differences
    expected = crossed_difference(without.astype(int) - base)
    assert expected is not None
    one = differences["a"]
    assert (one.mean, one.low, one.high) == pytest.approx(
        (100 * expected.mean, 100 * expected.low, 100 * expected.high)
    )
    assert (one.p, one.p_holm, one.images) == (expected.p, pytest.approx(2 * expected.p), IMAGES)
    assert set(differences) == {"a", "b"}


def test_two_seeds_give_no_crossed_difference(tmp_path: Path) -> None:
    found = on_test(opened(tmp_path, (BASE, drawn(0.9, 2)), (NO_A, drawn(0.5, 2))))
    assert found.differences == {}
    assert found.accuracies["a"].basis is Basis.CROSSED


def test_a_diverged_run_makes_the_accuracy_approximate_and_the_difference_untested(tmp_path: Path) -> None:
    results = opened(tmp_path, (BASE, drawn(0.9)), (NO_A, drawn(0.8)), data={"test_images": IMAGES})
    stage = results.stages["final"]
    lost = replace(stage.trials[5], status=Status.DIVERGED, curve={1: 10.0}, value=10.0)
    changed = replace(results, stages={"final": replace(stage, trials=(*stage.trials[:5], lost))})
    found = on_test(changed)
    assert found.accuracies["a"].basis is Basis.APPROXIMATE
    assert found.differences == {}
    assert found.accuracies["baseline"].basis is Basis.CROSSED


def test_without_predictions_the_number_of_images_gives_a_wider_interval(tmp_path: Path) -> None:
    right = drawn(0.9)
    crossed = on_test(opened(tmp_path / "kept", (BASE, right))).accuracies["baseline"].such
    results = opened(tmp_path / "not", (BASE, right), predictions=False, data={"test_images": IMAGES})
    found = on_test(results).accuracies["baseline"]
    expected = approximate_accuracy(list(right.mean(axis=1)), IMAGES)
    assert found.such == pytest.approx((100 * expected.low, 100 * expected.high))
    assert (found.images, found.basis) == (IMAGES, Basis.APPROXIMATE)
    assert crossed is not None
    assert found.such is not None
    assert found.such[0] < crossed[0] < crossed[1] < found.such[1]


def test_the_confusion_matrix_tells_the_number_of_images(tmp_path: Path) -> None:
    right = drawn(0.9)
    results = opened(tmp_path, (BASE, right), predictions=False)
    for run in results.stages["final"].trials[:1]:
        folder = results.trial_folder(run.number, "final")
        folder.mkdir(parents=True)
        correct = int(right[0].sum())
        write_confusion(folder, "test", Confusion.of(["one", "two"], [[correct, IMAGES - correct], [0, 0]]))
    found = on_test(results).accuracies["baseline"]
    assert (found.images, found.basis) == (IMAGES, Basis.APPROXIMATE)


def test_without_a_number_of_images_only_the_seeds_are_known(tmp_path: Path) -> None:
    results = opened(tmp_path, (BASE, drawn(0.9)), data={"test_images": IMAGES})
    found = Findings.of(results).crossed["usps"].accuracies["baseline"]
    assert (found.such, found.images, found.basis) == (None, None, Basis.SEEDS)
    assert found.seeds is not None


def test_predictions_of_another_figure_are_not_used(tmp_path: Path) -> None:
    results = opened(tmp_path, (BASE, drawn(0.9)))
    keep(results.trial_folder(1, "final"), "test", drawn(0.2)[0])
    assert on_test(results).accuracies["baseline"].basis is Basis.SEEDS


def test_a_loss_has_no_images_that_are_right(tmp_path: Path) -> None:
    results = opened(tmp_path, (BASE, drawn(0.9)))
    study = toy_study(metric={"name": "val_loss", "goal": "minimize"})
    assert Findings.of(replace(results, study=study)).crossed == {}
