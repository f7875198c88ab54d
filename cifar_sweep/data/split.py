"""Load the training, validation and test images of a run; draw splits and label noise; name data by its content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np

from cifar_sweep.data.cache import load_images
from cifar_sweep.data.formats import Images
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

    No file of the test part is opened.

    Raises:
        PermissionError: The run may not read both sides of the split.
        Unavailable: The data is absent.
        ValueError: The data is not as described, or the split leaves no image to train on.
    """
    run.require("train", "validation")
    images = load_images(data, run.data_dir, "train")
    return images, (make_final_split if run.final else make_split)(data, images.labels, run.split_seed)


def load_test(data: DataRecipe, run: Run) -> Images:
    """Return the sealed test part. Raises PermissionError unless the run has access to it."""
    run.require("test")
    return load_images(data, run.data_dir, "test")


def make_split(data: DataRecipe, labels: np.ndarray, split_seed: int) -> Split:
    """Draw the stratified split into training and validation images.

    `train_limit` is applied to the training side, then `unlabelled.share` to what it leaves. Neither changes the
    validation side.

    Args:
        data: The settings of the split.
        labels: (N,) classes of the images of the training part.
        split_seed: The seed; equal seeds give equal splits.

    Raises:
        ValueError: No image would be left to train on.
    """
    count = data.validation if isinstance(data.validation, int) else max(1, round(data.validation * len(labels)))
    if count >= len(labels):
        raise ValueError(f"data.validation is {data.validation} but there are only {len(labels)} training images")
    everything = np.arange(len(labels))
    validation = _stratified_sample(everything, labels, count, stream(split_seed, "validation"))
    train = np.setdiff1d(everything, validation, assume_unique=True)
    return _apply_limit_and_share(data, train, validation, labels, split_seed)


def make_final_split(data: DataRecipe, labels: np.ndarray, split_seed: int) -> Split:
    """Return the split of a final run: as `make_split`, but without validation images."""
    everything = np.arange(len(labels))
    return _apply_limit_and_share(data, everything, everything[:0], labels, split_seed)


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


def _apply_limit_and_share(
    data: DataRecipe, train: np.ndarray, validation: np.ndarray, labels: np.ndarray, split_seed: int
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
    unlabelled = _stratified_sample(train, labels, count, stream(split_seed, "unlabelled"))
    return Split(np.setdiff1d(train, unlabelled, assume_unique=True), validation, unlabelled)


def _apply_limit(data: DataRecipe, train: np.ndarray, labels: np.ndarray, split_seed: int) -> np.ndarray:
    """Return the training images that `train_limit` keeps."""
    if data.train_limit is None or data.train_limit >= len(train):
        return train
    return _stratified_sample(train, labels, data.train_limit, stream(split_seed, "train_limit"))


def _stratified_sample(index: np.ndarray, labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return `count` of the indices, ascending, each class by its share of `index` (largest remainders rounded up)."""
    generator = np.random.default_rng(seed)
    classes, sizes = np.unique(labels[index], return_counts=True)
    shares = count * sizes / len(index)
    takes = np.floor(shares).astype(int)
    takes[np.argsort(takes - shares, kind="stable")[: count - takes.sum()]] += 1
    members = [index[labels[index] == label] for label in classes]
    return np.sort(np.concatenate([generator.permutation(m)[:take] for m, take in zip(members, takes, strict=True)]))
