"""The training and validation images of a run, the sealed test images, and what names them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from cifar_sweep.cache import load_images
from cifar_sweep.formats import Images
from cifar_sweep.recipe import DataRecipe
from sweeps.workload import Run, stream


@dataclass(frozen=True)
class Split:
    """A division of the training part: disjoint indices of the images to train on and to validate on, ascending."""

    train: np.ndarray
    validation: np.ndarray

    @property
    def hash(self) -> str:
        """The split's name: it changes with any image on either side."""
        sides = (side.astype("<i8").tobytes() for side in (self.train, self.validation))
        return hashlib.sha256(b"|".join(sides)).hexdigest()


def load_training(data: DataRecipe, run: Run) -> tuple[Images, Split]:
    """The training part of the data and this run's split of it. Opens no file of the test part.

    Raises PermissionError when the run may not read both sides of the split; else as `cache.load_images` does.
    """
    _check_access(run, "train", "validation")
    images = load_images(data, run.data_dir, "train")
    return images, make_split(data, images.labels, run.split_seed)


def load_test(data: DataRecipe, run: Run) -> Images:
    """The sealed test part. Raises PermissionError unless the run was given access to it."""
    _check_access(run, "test")
    return load_images(data, run.data_dir, "test")


def make_split(data: DataRecipe, labels: np.ndarray, split_seed: int) -> Split:
    """The stratified split of `labels` (N,) that `split_seed` draws; `train_limit` is applied to its training side.

    Raises ValueError when the validation side would leave nothing to train on.
    """
    count = data.validation if isinstance(data.validation, int) else max(1, round(data.validation * len(labels)))
    if count >= len(labels):
        raise ValueError(f"data.validation is {data.validation} but there are only {len(labels)} training images")
    everything = np.arange(len(labels))
    validation = _stratified(everything, labels, count, stream(split_seed, "validation"))
    train = np.setdiff1d(everything, validation, assume_unique=True)
    if data.train_limit is not None and data.train_limit < len(train):
        train = _stratified(train, labels, data.train_limit, stream(split_seed, "train_limit"))
    return Split(train, validation)


def fingerprint(images: Images, channels: int) -> str:
    """The data's own name: SHA-256 over its shape, pixels (in row, column, channel order) and labels."""
    count, size = images.pixels.shape[:2]
    digest = hashlib.sha256(f"{count}x{size}x{size}x{channels}".encode())
    for start in range(0, count, 1000):
        digest.update(images.pixels[start : start + 1000, ..., :channels].tobytes())
    digest.update(images.labels.astype("<i8").tobytes())
    return digest.hexdigest()


def _stratified(index: np.ndarray, labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """`count` of `index`, in ascending order, each class in its share of `index` (largest remainders rounded up)."""
    generator = np.random.default_rng(seed)
    classes, sizes = np.unique(labels[index], return_counts=True)
    shares = count * sizes / len(index)
    takes = np.floor(shares).astype(int)
    takes[np.argsort(takes - shares, kind="stable")[: count - takes.sum()]] += 1
    members = [index[labels[index] == label] for label in classes]
    return np.sort(np.concatenate([generator.permutation(m)[:take] for m, take in zip(members, takes, strict=True)]))


def _check_access(run: Run, *parts: str) -> None:
    denied = [part for part in parts if part not in run.access]
    if denied:
        raise PermissionError(f"this run may not read the {denied[0]} part, only {', '.join(sorted(run.access))}")
