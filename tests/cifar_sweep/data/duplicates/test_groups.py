"""Splits keep duplicates together, `drop` leaves out copies of test images, and a study settles what it does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from cifar_sweep import workload
from cifar_sweep.data.cache import load_images
from cifar_sweep.data.duplicates import groups as module
from cifar_sweep.data.duplicates.groups import Duplicates, confirm_duplicates, duplicates_of, image_hashes
from cifar_sweep.data.sampling import stratified_sample
from cifar_sweep.data.split import load_training, make_final_split, make_split
from cifar_sweep.recipe import DataRecipe
from cifar_sweep.training.training_set import TrainingSet
from sweeps.io.errors import Refused
from sweeps.prepare.prepared import settle
from sweeps.study.document import from_text
from sweeps.study.study import parse
from sweeps.workload import Run, Site, exact_pairs, load

LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 50))
NONE = np.empty(0, np.int64)


def write_digits(folder: Path, train: np.ndarray, test: np.ndarray, **arrays: np.ndarray) -> DataRecipe:
    """Write an .npz of handwritten digits by their numbers, and return the recipe of its data."""
    digits = load_digits()
    pixels = (digits.images * (255 / 16)).astype(np.uint8)
    content = {"x_train": pixels[train], "y_train": digits.target[train], "x_test": pixels[test]}
    np.savez(folder / "digits.npz", **content, y_test=digits.target[test], **arrays)
    return DataRecipe(name="npz", path="digits.npz", size=8, channels=1, classes=10, validation=60)


def pairs_of(labels: np.ndarray, count: int) -> np.ndarray:
    """The groups where image i and image i + 1 are duplicates for the first `count` even i of each class."""
    group = np.arange(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)[: 2 * count]
        group[members[1::2]] = members[::2]
    return group


def test_split_without_duplicates_is_that_of_a_study_that_does_not_look_for_them():
    data, alone = DataRecipe(name="digits", validation=100), Duplicates(np.arange(500), NONE, NONE)
    assert make_split(data, LABELS, 3, alone).hash == make_split(data, LABELS, 3).hash
    assert make_final_split(data, LABELS, 3, alone).hash == make_final_split(data, LABELS, 3).hash


@pytest.mark.parametrize("pairs", [1, 10, 24])
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("settings", [{}, {"unlabelled": {"share": 0.5}}, {"train_limit": 90}])
def test_duplicates_are_on_one_side_of_every_split(pairs: int, seed: int, settings: dict[str, Any]):
    group = pairs_of(LABELS, pairs)
    data = DataRecipe(name="digits", validation=100, **settings)
    split = make_split(data, LABELS, seed, Duplicates(group, NONE, NONE))
    assert not np.intersect1d(group[split.validation], group[np.concatenate([split.train, split.unlabelled])]).size
    assert not np.intersect1d(group[split.train], group[split.unlabelled]).size
    assert np.abs(np.bincount(LABELS[split.validation]) - 10).max() <= 1


def test_groups_change_a_draw_where_they_are_cut_and_nowhere_else():
    few, more = (
        set(stratified_sample(np.arange(500), LABELS, 100, 0, pairs_of(LABELS, count)).tolist()) for count in (5, 6)
    )
    assert len(few ^ more) < 40


def test_classes_keep_their_share_where_every_image_is_there_twice():
    labels = np.tile(LABELS, 2)
    drawn = stratified_sample(np.arange(1000), labels, 200, 0, np.tile(np.arange(500), 2))
    assert np.bincount(labels[drawn]).tolist() == [20] * 10


def test_groups_across_classes_stay_together():
    group = np.arange(500) // 5 * 5
    drawn = stratified_sample(np.arange(500), LABELS, 100, 0, group)
    assert not np.intersect1d(group[drawn], group[np.setdiff1d(np.arange(500), drawn)]).size


def test_one_group_of_all_images_leaves_nothing_to_train_on_or_to_validate():
    data, whole = DataRecipe(name="digits", validation=250), Duplicates(np.zeros(500, np.int64), NONE, NONE)
    assert len(make_split(data, LABELS, seed_of(first_drawn=False), whole).train) == 500
    with pytest.raises(ValueError, match="so many duplicates of each other that none would be left to train on"):
        make_split(data, LABELS, seed_of(first_drawn=True), whole)


def seed_of(first_drawn: bool) -> int:
    """A seed with which the first image, and so its group, is drawn for validation or not."""
    data = DataRecipe(name="digits", validation=250)
    return next(seed for seed in range(50) if (0 in make_split(data, LABELS, seed).validation) == first_drawn)


def test_leaky_set_is_counted_and_drop_leaves_the_copies_out(tmp_path: Path, make_run: Callable[..., Run]):
    data = write_digits(tmp_path, np.arange(400), np.arange(350, 450))
    hashes = image_hashes(data, (), tmp_path)
    assert exact_pairs(hashes["train"], hashes["test"]).tolist() == [[350 + place, place] for place in range(50)]
    run = make_run(data_dir=tmp_path)
    sizes = {}
    for choice in ("keep", "drop", "refuse", None):
        _, split = load_training(data.model_copy(update={"duplicates": choice}), run)
        sizes[choice] = (len(split.train), len(split.validation))
    assert sizes == {"keep": (340, 60), "drop": (290, 60), "refuse": (340, 60), None: (340, 60)}
    _, final = load_training(data.model_copy(update={"duplicates": "drop"}), make_run(data_dir=tmp_path, final=True))
    assert final.train.tolist() == list(range(350))


def test_study_with_a_leaky_test_set_is_refused_before_its_first_trial(tmp_path: Path):
    data = write_digits(tmp_path, np.arange(400), np.arange(350, 450))
    settings = {
        "name": "leaky",
        "question": "Is the test set learned by heart?",
        "workload": "cifar_sweep",
        "baseline": {"data": data.model_dump(exclude_none=True), "augment": {"crop": 0}, "batch_size": 32},
        "method": "random",
        "run_cap": 1,
        "metric": {"name": "val_accuracy", "goal": "maximize"},
        "parameters": {"optimizer.lr": {"values": [0.1, 0.2]}},
        "final": {"seeds": 1},
    }
    study, loaded = parse(from_text(json.dumps(settings), "leaky.yaml")), load("cifar_sweep")
    with pytest.raises(Refused, match=r"50 of 100 test images are in the part train too .*data\.duplicates=drop"):
        settle(study, loaded, tmp_path, {})


def test_set_with_every_image_twice_is_split_by_pairs(tmp_path: Path, make_run: Callable[..., Run]):
    data = write_digits(tmp_path, np.tile(np.arange(300), 2), np.arange(400, 450))
    _, split = load_training(data.model_copy(update={"duplicates": "keep"}), make_run(data_dir=tmp_path))
    assert not np.intersect1d(split.train % 300, split.validation % 300).size
    assert abs(len(split.validation) - 60) <= 10
    _, before = load_training(data, make_run(data_dir=tmp_path))
    assert np.intersect1d(before.train % 300, before.validation % 300).size, "an older study goes on as it began"


def test_copies_of_test_images_are_dropped_from_unlabelled_images_too(
    tmp_path: Path, make_recipe: Callable[..., Any], make_run: Callable[..., Run]
):
    data = write_digits(tmp_path, np.arange(300), np.arange(300, 350))
    pixels = (load_digits().images * (255 / 16)).astype(np.uint8)
    np.save(tmp_path / "more.npy", pixels[330:380])
    recipe = make_recipe(data={**data.model_dump(exclude_none=True), "unlabelled": {"path": "more.npy"}})
    for choice, count in (("keep", 50), ("drop", 30)):
        changed = recipe.model_copy(update={"data": recipe.data.model_copy(update={"duplicates": choice})})
        assert len(TrainingSet.of(changed, make_run(data_dir=tmp_path), 0).unlabelled) == count


@pytest.mark.parametrize(("data", "choice"), [({"name": "digits"}, "keep"), ({"name": "npz"}, "refuse")])
def test_study_settles_what_becomes_of_duplicates_when_it_begins(
    tmp_path: Path, make_recipe: Callable[..., Any], data: dict[str, str], choice: str
):
    own = write_digits(tmp_path, np.arange(300), np.arange(300, 350))
    settings = own.model_dump(exclude_none=True) if data["name"] == "npz" else {"name": "digits", "validation": 60}
    recipe = make_recipe(data=settings)
    assert workload.prepare(recipe, Site(tmp_path, "cpu")).settings["data.duplicates"] == choice
    assert "data.duplicates" not in workload.prepare(recipe, Site(tmp_path, "cpu", begun=True)).settings
    named = recipe.model_copy(update={"data": recipe.data.model_copy(update={"duplicates": "drop"})})
    assert "data.duplicates" not in workload.prepare(named, Site(tmp_path, "cpu")).settings
    assert "duplicates" not in recipe.model_dump()["data"], "recipes recorded before keep their digest"
    assert workload.duplicate_policy(named).choice == "drop"


def test_second_start_reads_no_pixel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = write_digits(tmp_path, np.arange(200), np.arange(150, 250)).model_copy(update={"duplicates": "drop"})
    first, hashes = duplicates_of(data, tmp_path), image_hashes(data, (), tmp_path)
    asked = {("train", "test"): np.array([[0, 0], [1, 5]])}
    answer = confirm_duplicates(data, (), tmp_path, asked)
    monkeypatch.setattr("cifar_sweep.data.duplicates.parts.load_images", None)
    again = duplicates_of(data, tmp_path)
    assert first is not None
    assert again is not None
    assert np.array_equal(first.dropped, again.dropped)
    assert np.array_equal(hashes["test"].exact, image_hashes(data, (), tmp_path)["test"].exact)
    assert np.array_equal(answer["train", "test"], confirm_duplicates(data, (), tmp_path, asked)["train", "test"])


def test_damaged_or_unwritable_store_is_computed_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = write_digits(tmp_path, np.arange(200), np.arange(150, 250)).model_copy(update={"duplicates": "drop"})
    first = duplicates_of(data, tmp_path)
    files = list((tmp_path / ".decoded").glob("*.npz"))
    assert files
    for file in files:
        file.write_bytes(b"damaged")

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("cifar_sweep.data.duplicates.store._write", full)
    again = duplicates_of(data, tmp_path)
    assert first is not None
    assert again is not None
    assert np.array_equal(first.dropped, again.dropped)


def test_test_part_that_is_absent_is_left_out_of_the_hashes(cifar10_dir: Path):
    data = DataRecipe(name="cifar10", duplicates="keep")
    (cifar10_dir / "cifar-10-batches-py" / "test_batch").unlink()
    assert set(image_hashes(data, (), cifar10_dir)) == {"train"}
    assert duplicates_of(data, cifar10_dir) is not None, "only drop needs the test images"
    with pytest.raises(module.Unavailable, match=r"data\.duplicates is drop, but there is no test part"):
        duplicates_of(data.model_copy(update={"duplicates": "drop"}), cifar10_dir)


def test_collections_of_evaluate_are_hashed_and_corruptions_are_not(tmp_path: Path):
    data = write_digits(tmp_path, np.arange(200), np.arange(200, 250))
    entry = {"name": "others", "data": {"name": "npz", "path": "digits.npz"}}
    hashes = image_hashes(data, ("noise:1", entry), tmp_path)
    assert list(hashes) == ["train", "test", "others"]
    assert np.array_equal(hashes["others"].exact, hashes["test"].exact)


def test_hashes_are_all_that_leaves_of_the_test_images(tmp_path: Path):
    data = write_digits(tmp_path, np.arange(200), np.arange(200, 250))
    test = image_hashes(data, (), tmp_path)["test"]
    assert (test.exact.shape, test.perceptual.shape) == ((50, 2), (50, 2))
    assert len(load_images(data, tmp_path, "test")) == len(test)
