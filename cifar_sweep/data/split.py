"""Load the training, validation and test images of a run; draw splits and label noise; name data by its content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np

from cifar_sweep.data.cache import load_images
from cifar_sweep.data.duplicates.groups import Duplicates, duplicates_of
from cifar_sweep.data.formats import Images
from cifar_sweep.data.sampling import stratified_sample
from cifar_sweep.recipe import DataRecipe
from sweeps.workload import Run, stream


@dataclass(frozen=True)
class Split:
    """A division of the training part into disjoint sets of indices, each ascending.

    Attributes:
        train: Images to train on.
        validation: Images to validate on.
        unlabelled: Further images to train on, whose labels training must not read (`data.unlabelled.share`).
    """

    train: np.ndarray
    validation: np.ndarray
    unlabelled: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def hash(self) -> str:
        """The SHA-256 of the split; it changes with any image on any side."""
        # An empty third side is left out, so that the hash of a split without one does not depend on this field.
        sides = [self.train, self.validation] + ([self.unlabelled] if len(self.unlabelled) else [])
        return hashlib.sha256(b"|".join(side.astype("<i8").tobytes() for side in sides)).hexdigest()


def load_training(data: DataRecipe, run: Run) -> tuple[Images, Split]:
    """Return the training part of the data and the run's split of it; a final run holds no images out.

    No file of the test part is opened, except to find the images that `data.duplicates: drop` leaves out, where no
    process of this machine has found them before.

    Raises:
        PermissionError: The run may not read both sides of the split.
        Unavailable: The data is absent.
        ValueError: The data is not as described, or the split leaves no image to train on.
    """
    run.require("train", "validation")
    images, duplicates = load_images(data, run.data_dir, "train"), duplicates_of(data, run.data_dir)
    return images, (make_final_split if run.final else make_split)(data, images.labels, run.split_seed, duplicates)


def load_test(data: DataRecipe, run: Run) -> Images:
    """Return the sealed test part. Raises PermissionError unless the run has access to it."""
    run.require("test")
    return load_images(data, run.data_dir, "test")


def make_split(data: DataRecipe, labels: np.ndarray, split_seed: int, duplicates: Duplicates | None = None) -> Split:
    """Draw the stratified split into training and validation images.

    Images that are duplicates of each other are on the same side. `train_limit` is applied to the training side, then
    `unlabelled.share` to what it leaves. Neither changes the validation side.

    Args:
        data: The settings of the split.
        labels: (N,) classes of the images of the training part.
        split_seed: The seed; equal seeds give equal splits.
        duplicates: The duplicates among the images (`duplicates_of`); None where they are not looked for.

    Raises:
        ValueError: No image would be left to train on.
    """
    everything, group, dropped = _images(labels, duplicates), None, None
    if duplicates is not None:
        group, dropped = duplicates.group, duplicates.dropped
    count = data.validation if isinstance(data.validation, int) else max(1, round(data.validation * len(everything)))
    if count >= len(everything):
        raise ValueError(f"data.validation is {data.validation} but there are only {len(everything)} training images")
    seed = stream(split_seed, "validation")
    validation = stratified_sample(np.arange(len(labels)), labels, count, seed, group, dropped)
    train = np.setdiff1d(everything, validation, assume_unique=True)
    if not len(train):
        raise ValueError(
            f"data.validation is {data.validation}, but the training images are so many duplicates of each other that "
            "none would be left to train on"
        )
    return _apply_limit_and_share(data, train, validation, labels, split_seed, group)


def make_final_split(
    data: DataRecipe, labels: np.ndarray, split_seed: int, duplicates: Duplicates | None = None
) -> Split:
    """Return the split of a final run: as `make_split`, but without validation images."""
    everything = _images(labels, duplicates)
    return _apply_limit_and_share(
        data, everything, everything[:0], labels, split_seed, None if duplicates is None else duplicates.group
    )


def with_label_noise(labels: np.ndarray, train: np.ndarray, share: float, classes: int, seed: int) -> np.ndarray:
    """Return a copy of the labels in which some of the training images have another class, any equally likely.

    The draw of an image depends on `seed` and the image alone, so a larger share adds to the images of a smaller one.

    Args:
        labels: (N,) classes.
        train: Indices of the training images.
        share: The share of the training images that get another class, rounded to whole images.
        classes: Number of classes.
        seed: The run's seed.
    """
    generator = np.random.default_rng(stream(seed, "label_noise"))
    rank, shift = generator.random(len(labels)), generator.integers(1, classes, len(labels))
    relabelled = train[np.argsort(rank[train], kind="stable")[: round(share * len(train))]]
    noisy = labels.copy()
    noisy[relabelled] = (labels[relabelled] + shift[relabelled]) % classes
    return noisy


def fingerprint(images: Images, channels: int) -> str:
    """Return a SHA-256 that identifies the data, whatever file it was read from.

    It covers shape, pixels (in the order row, column, channel), labels, and the resize and crop left to do with the
    pixels: another size or subset of the same files has another fingerprint.

    Args:
        images: The images, as the cache returns them.
        channels: Number of channels; a padding byte after them is left out.
    """
    count, size = images.pixels.shape[:2]
    digest = hashlib.sha256(f"{count}x{size}x{size}x{channels}".encode())
    # In blocks: without the padding byte the pixels are a copy, which need not be whole in memory.
    for start in range(0, count, 1000):
        digest.update(images.pixels[start : start + 1000, ..., :channels].tobytes())
    digest.update(images.labels.astype("<i8").tobytes())
    if images.fit is not None:
        digest.update(f"resize {images.fit.resize}, crop {images.fit.crop}".encode())
    return digest.hexdigest()


def _images(labels: np.ndarray, duplicates: Duplicates | None) -> np.ndarray:
    """Return the numbers of all images of the training part but those that are left out, ascending."""
    everything = np.arange(len(labels))
    return everything if duplicates is None else np.setdiff1d(everything, duplicates.dropped, assume_unique=True)


def _apply_limit_and_share(
    data: DataRecipe,
    train: np.ndarray,
    validation: np.ndarray,
    labels: np.ndarray,
    split_seed: int,
    group: np.ndarray | None,
) -> Split:
    """Return the split after `train_limit` and `unlabelled.share`."""
    train = _apply_limit(data, train, labels, split_seed)
    if data.unlabelled is None or data.unlabelled.share is None:
        return Split(train, validation)
    count = max(1, round(data.unlabelled.share * len(train)))
    if count >= len(train):
        raise ValueError(
            f"data.unlabelled.share is {data.unlabelled.share}, which leaves none of {len(train)} training images "
            "with its label"
        )
    unlabelled = stratified_sample(train, labels, count, stream(split_seed, "unlabelled"), group)
    return Split(np.setdiff1d(train, unlabelled, assume_unique=True), validation, unlabelled)


def _apply_limit(data: DataRecipe, train: np.ndarray, labels: np.ndarray, split_seed: int) -> np.ndarray:
    """Return the training images that `train_limit` keeps."""
    if data.train_limit is None or data.train_limit >= len(train):
        return train
    return stratified_sample(train, labels, data.train_limit, stream(split_seed, "train_limit"))
