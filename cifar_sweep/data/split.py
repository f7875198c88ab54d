"""The training and validation images of a run, the sealed test images, and what names them."""

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
    """A division of the training part: disjoint indices of the images to train on and to validate on, ascending.

    `unlabelled` are further images to train on, whose labels training must not read (`data.unlabelled.share`).
    """

    train: np.ndarray
    validation: np.ndarray
    unlabelled: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def hash(self) -> str:
        """The split's name: it changes with any image on either side."""
        sides = [self.train, self.validation] + ([self.unlabelled] if len(self.unlabelled) else [])
        return hashlib.sha256(b"|".join(side.astype("<i8").tobytes() for side in sides)).hexdigest()


def load_training(data: DataRecipe, run: Run) -> tuple[Images, Split]:
    """The training part of the data and this run's split of it; a final run holds nothing out.

    Opens no file of the test part. Raises PermissionError when the run may not read both sides of the split; else as
    `cache.load_images` does.
    """
    run.require("train", "validation")
    images = load_images(data, run.data_dir, "train")
    return images, (undivided if run.final else make_split)(data, images.labels, run.split_seed)


def load_test(data: DataRecipe, run: Run) -> Images:
    """The sealed test part. Raises PermissionError unless the run was given access to it."""
    run.require("test")
    return load_images(data, run.data_dir, "test")


def make_split(data: DataRecipe, labels: np.ndarray, split_seed: int) -> Split:
    """The stratified split of `labels` (N,) that `split_seed` draws.

    `train_limit` is applied to its training side, then `unlabelled.share` to what that leaves; a share changes nothing
    else of the split. Raises ValueError when either would leave nothing to train on.
    """
    count = data.validation if isinstance(data.validation, int) else max(1, round(data.validation * len(labels)))
    if count >= len(labels):
        raise ValueError(f"data.validation is {data.validation} but there are only {len(labels)} training images")
    everything = np.arange(len(labels))
    validation = _stratified(everything, labels, count, stream(split_seed, "validation"))
    train = np.setdiff1d(everything, validation, assume_unique=True)
    return _divided(data, train, validation, labels, split_seed)


def undivided(data: DataRecipe, labels: np.ndarray, split_seed: int) -> Split:
    """All images of `labels` (N,) to train on, none to validate on; limit and share are applied to the whole."""
    everything = np.arange(len(labels))
    return _divided(data, everything, everything[:0], labels, split_seed)


def with_label_noise(labels: np.ndarray, train: np.ndarray, share: float, classes: int, seed: int) -> np.ndarray:
    """A copy of `labels` (N,) in which `share` of those at `train`, rounded, are another class, any equally likely.

    What is drawn for an image depends on `seed` and the image alone, so a larger share adds to a smaller one.
    """
    generator = np.random.default_rng(stream(seed, "label_noise"))
    rank, shift = generator.random(len(labels)), generator.integers(1, classes, len(labels))
    chosen = train[np.argsort(rank[train], kind="stable")[: round(share * len(train))]]
    noisy = labels.copy()
    noisy[chosen] = (labels[chosen] + shift[chosen]) % classes
    return noisy


def fingerprint(images: Images, channels: int) -> str:
    """The data's own name: SHA-256 over its shape, pixels (in row, column, channel order), labels and what is left to
    do with the pixels. So another size or subset of the same files has another name.
    """
    count, size = images.pixels.shape[:2]
    digest = hashlib.sha256(f"{count}x{size}x{size}x{channels}".encode())
    for start in range(0, count, 1000):
        digest.update(images.pixels[start : start + 1000, ..., :channels].tobytes())
    digest.update(images.labels.astype("<i8").tobytes())
    if images.fit is not None:
        digest.update(f"resize {images.fit.resize}, crop {images.fit.crop}".encode())
    return digest.hexdigest()


def _divided(data: DataRecipe, train: np.ndarray, validation: np.ndarray, labels: np.ndarray, split_seed: int) -> Split:
    train = _limited(data, train, labels, split_seed)
    if data.unlabelled is None or data.unlabelled.share is None:
        return Split(train, validation)
    count = max(1, round(data.unlabelled.share * len(train)))
    if count >= len(train):
        raise ValueError(
            f"data.unlabelled.share is {data.unlabelled.share}, which leaves none of {len(train)} training images "
            "with its label"
        )
    unlabelled = _stratified(train, labels, count, stream(split_seed, "unlabelled"))
    return Split(np.setdiff1d(train, unlabelled, assume_unique=True), validation, unlabelled)


def _limited(data: DataRecipe, train: np.ndarray, labels: np.ndarray, split_seed: int) -> np.ndarray:
    if data.train_limit is None or data.train_limit >= len(train):
        return train
    return _stratified(train, labels, data.train_limit, stream(split_seed, "train_limit"))


def _stratified(index: np.ndarray, labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """`count` of `index`, in ascending order, each class in its share of `index` (largest remainders rounded up)."""
    generator = np.random.default_rng(seed)
    classes, sizes = np.unique(labels[index], return_counts=True)
    shares = count * sizes / len(index)
    takes = np.floor(shares).astype(int)
    takes[np.argsort(takes - shares, kind="stable")[: count - takes.sum()]] += 1
    members = [index[labels[index] == label] for label in classes]
    return np.sort(np.concatenate([generator.permutation(m)[:take] for m, take in zip(members, takes, strict=True)]))
