"""Splits, fingerprints, and the seal on the test part."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cifar_sweep.data.cache import load_images
from cifar_sweep.data.formats import Images
from cifar_sweep.data.split import Split, fingerprint, load_test, load_training, make_final_split, make_split
from cifar_sweep.recipe import DataRecipe
from cifar_sweep.recipe.data import UnlabelledRecipe
from sweeps.workload import Run

CIFAR10 = DataRecipe(name="cifar10")
LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(10), [5, 10, 20, 30, 40, 50, 60, 70, 80, 135]))


def split(seed: int = 0, **data: object) -> tuple[np.ndarray, np.ndarray]:
    made = make_split(DataRecipe(name="digits", **data), LABELS, seed)
    return made.train, made.validation


@pytest.mark.parametrize(("validation", "count"), [(0.1, 50), (0.5, 250), (0.001, 1), (1, 1), (123, 123), (499, 499)])
def test_the_sides_are_disjoint_and_cover_all_images(validation: float, count: int):
    train, held_out = split(validation=validation)
    assert len(held_out) == count
    assert np.array_equal(np.sort(np.concatenate([train, held_out])), np.arange(500))


@pytest.mark.parametrize("validation", [0.1, 100, 0.37])
def test_each_class_has_its_share_of_the_validation_side(validation: float):
    _, held_out = split(validation=validation)
    shares = np.bincount(LABELS) * len(held_out) / len(LABELS)
    assert np.abs(np.bincount(LABELS[held_out], minlength=10) - shares).max() < 1


def test_a_limit_keeps_part_of_the_training_side_in_the_same_shares():
    everything, held_out = split(validation=100)
    train, same = split(validation=100, train_limit=80)
    assert np.array_equal(held_out, same)
    assert len(train) == 80
    assert np.isin(train, everything).all()
    assert np.abs(np.bincount(LABELS[train], minlength=10) - np.bincount(LABELS[everything]) / 5).max() < 1


def test_a_limit_above_the_training_side_changes_nothing():
    assert np.array_equal(split(train_limit=10_000)[0], split()[0])


def test_a_split_depends_on_its_seed_alone():
    assert all(np.array_equal(a, b) for a, b in zip(split(3), split(3), strict=True))
    assert not np.array_equal(split(3)[1], split(4)[1])
    assert make_split(CIFAR10, LABELS, 3).hash == make_split(CIFAR10, LABELS, 3).hash
    assert make_split(CIFAR10, LABELS, 3).hash != make_split(CIFAR10, LABELS, 4).hash


def test_every_image_is_held_out_equally_often_over_the_seeds():
    held_out = np.concatenate([split(seed, validation=0.5)[1] for seed in range(200)])
    assert np.abs(np.bincount(held_out, minlength=500) - 100).max() < 45


def test_a_validation_side_that_takes_everything_is_refused():
    with pytest.raises(ValueError, match=r"data\.validation is 500 but there are only 500 training images"):
        split(validation=500)


@pytest.mark.parametrize("settings", [{}, {"train_limit": 100}])
@pytest.mark.parametrize("share", [0.8, 0.5, 0.01])
def test_an_unlabelled_share_is_taken_from_the_training_side_alone(settings: dict, share: float):
    whole = make_split(DataRecipe(name="digits", **settings), LABELS, 3)
    parts = make_split(DataRecipe(name="digits", unlabelled=UnlabelledRecipe(share=share), **settings), LABELS, 3)
    assert np.array_equal(parts.validation, whole.validation)
    assert np.array_equal(np.sort(np.concatenate([parts.train, parts.unlabelled])), whole.train)
    assert len(parts.unlabelled) == max(1, round(share * len(whole.train)))
    expected = np.bincount(LABELS[whole.train]) * len(parts.unlabelled) / len(whole.train)
    assert np.abs(np.bincount(LABELS[parts.unlabelled], minlength=10) - expected).max() < 1


def test_a_share_is_taken_from_all_images_where_none_are_held_out():
    parts = make_final_split(DataRecipe(name="digits", unlabelled=UnlabelledRecipe(share=0.5)), LABELS, 3)
    assert (len(parts.train), len(parts.validation), len(parts.unlabelled)) == (250, 0, 250)


def test_the_hash_of_a_split_covers_unlabelled_images_where_there_are_some():
    parts = make_split(CIFAR10, LABELS, 3)
    sides = b"|".join(side.astype("<i8").tobytes() for side in (parts.train, parts.validation))
    assert parts.hash == hashlib.sha256(sides).hexdigest()
    assert parts.hash == make_split(DataRecipe(unlabelled=UnlabelledRecipe(path="set.pkl")), LABELS, 3).hash
    assert Split(parts.train, parts.validation, parts.train[:1]).hash != parts.hash


def test_a_share_that_leaves_no_label_is_refused():
    data = DataRecipe(name="digits", train_limit=3, unlabelled=UnlabelledRecipe(share=0.9))
    with pytest.raises(ValueError, match=r"data\.unlabelled\.share is 0\.9, which leaves none of 3 training images"):
        make_split(data, LABELS, 0)


def test_training_opens_no_test_file(cifar10_dir: Path, make_run: Callable[..., Run]):
    (cifar10_dir / "cifar-10-batches-py" / "test_batch").unlink()
    images, parts = load_training(CIFAR10, make_run(data_dir=cifar10_dir))
    assert len(images) == len(parts.train) + len(parts.validation) == 200


@pytest.mark.parametrize("access", [{"train", "validation"}, {"train"}, set()])
def test_the_test_part_is_sealed_without_access_to_it(cifar10_dir: Path, make_run: Callable[..., Run], access: set):
    with pytest.raises(PermissionError, match="may not read the test part"):
        load_test(CIFAR10, make_run(data_dir=cifar10_dir, access=frozenset(access)))


def test_the_test_part_is_opened_for_a_run_with_access(cifar10_dir: Path, make_run: Callable[..., Run]):
    images = load_test(CIFAR10, make_run(data_dir=cifar10_dir, access=frozenset({"test"})))
    assert len(images) == 40


@pytest.mark.parametrize(("access", "part"), [({"train"}, "validation"), ({"validation", "test"}, "train")])
def test_each_side_of_the_split_needs_its_own_access(make_run: Callable[..., Run], access: set, part: str):
    with pytest.raises(PermissionError, match=f"may not read the {part} part"):
        load_training(DataRecipe(name="digits"), make_run(access=frozenset(access)))


def test_a_fingerprint_depends_on_pixels_and_labels_not_on_their_storage(cifar10_dir: Path):
    stored = load_images(CIFAR10, cifar10_dir, "train")
    name = fingerprint(stored, 3)
    assert name == fingerprint(Images(stored.pixels[..., :3].copy(), stored.labels.astype(np.int32)), 3)
    other_pixels, other_labels = stored.pixels.copy(), stored.labels.copy()
    other_pixels[199, 31, 31, 2] ^= 1
    other_labels[0] += 1
    others = {fingerprint(Images(other_pixels, stored.labels), 3), fingerprint(Images(stored.pixels, other_labels), 3)}
    assert len(others | {name}) == 3
