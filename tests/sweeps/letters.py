"""A workload whose images are letters: "a" and "A" are near duplicates, and its models know what they have seen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sweeps.workload import DuplicatePolicy, ImageHashes, Metrics, Prepared, Run, Site


@dataclass(frozen=True)
class Letters:
    """The recipe: the images of each part, and what becomes of training images that are test images."""

    train: str = "abcd"
    test: str = "wxyz"
    unlabelled: str = ""
    lr: float = 0.1
    epochs: int = 1
    predictions: bool = True
    duplicates: Literal["keep", "drop", "refuse"] = "refuse"


def train(recipe: Letters, run: Run) -> Iterator[Metrics]:
    """Train one epoch; nothing is learned."""
    yield {"train_loss": 1.0} if run.final else {"val_accuracy": 90.0 + run.seed % 7}
    with run.checkpoint() as folder:
        (folder / "model").write_text("")


def evaluate(recipe: Letters, run: Run, entries: Sequence[Any]) -> Iterator[tuple[str, Metrics]]:
    """Classify the test images that were seen in training correctly, and of the others every second one."""
    run.require("test")
    numbers = np.arange(len(recipe.test))
    seen = np.array([letter.lower() in recipe.train.lower() for letter in recipe.test])
    predicted = np.where(seen | (numbers % 2 == 0), 1, 0)
    ones = np.ones(len(numbers), dtype=np.int64)
    if recipe.predictions:
        run.record_predictions(
            "test", images=numbers, labels=ones, predicted=predicted, top_probability=ones, label_log_probability=-ones
        )
    yield "test", {"accuracy": 100 * float(predicted.mean())}
    yield from ((str(entry), {"accuracy": 50.0}) for entry in entries)


def evaluations(recipe: Letters, entry: Any) -> list[str]:
    """Take the letters of a further set as its name."""
    return [str(entry)]


def percentages() -> list[str]:
    """Return the metrics in percent."""
    return ["accuracy"]


def prepare(recipe: Letters, site: Site) -> Prepared:
    """Return a fingerprint of the training and test images."""
    return Prepared(provenance={"fingerprint": f"{recipe.train}/{recipe.test}"})


def image_hashes(recipe: Letters, site: Site) -> dict[str, ImageHashes]:
    """Return the hashes of all parts that have images, and log the call in the data folder."""
    site.data_dir.mkdir(parents=True, exist_ok=True)
    with (site.data_dir / "hashed.txt").open("a") as file:
        file.write("hashed\n")
    parts = {name: getattr(recipe, name) for name in ("train", "test", "unlabelled")}
    parts |= {str(entry): str(entry) for entry in site.evaluate}
    return {name: _hashes(letters) for name, letters in parts.items() if letters}


def confirm_duplicates(
    recipe: Letters, site: Site, pairs: Mapping[tuple[str, str], np.ndarray]
) -> dict[tuple[str, str], np.ndarray]:
    """Confirm a letter and its capital, and log how many pairs were asked for."""
    with (site.data_dir / "confirmed.txt").open("a") as file:
        file.write(f"{sum(map(len, pairs.values()))}\n")
    return {parts: np.array([_same(recipe, parts, pair) for pair in asked]) for parts, asked in pairs.items()}


def duplicate_policy(recipe: Letters) -> DuplicatePolicy:
    """Return the recipe's own."""
    return DuplicatePolicy(recipe.duplicates, "duplicates", together=True)


def _same(recipe: Letters, parts: tuple[str, str], pair: np.ndarray) -> bool:
    first, second = (getattr(recipe, part, part)[number] for part, number in zip(parts, pair, strict=True))
    return bool(first.lower() == second.lower())


def _hashes(letters: str) -> ImageHashes:
    exact = np.array([[_hash(letter), ord(letter)] for letter in letters], dtype=np.uint64)
    # A letter and its capital differ in one bit.
    alike = np.array([[_hash(each.lower()) ^ each.isupper(), _hash("mirrored" + each)] for each in letters])
    return ImageHashes(exact, alike.astype(np.uint64))


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
