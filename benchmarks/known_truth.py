"""A workload without training whose true figures are known: a base, an effect of each removed part, and noise.

The truth is part of the recipe, so that a study file says all of it. On validation data a run reaches

    base + effects of the removed parts + noise that runs of one seed share + noise of its own.

On the test set it classifies images: image i is right if `ease + hardness_i + quality_run + noise > 0`, all normal. So
the mean over seeds on one test set and the mean over all test sets are known exactly.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from sweeps.workload import Run

PARTS = "abcdefghij"
CHANCE = 10.0  # percent: ten classes


@dataclass(frozen=True)
class Images:
    """The test set: how many images, which ones, and what decides whether a run classifies one correctly.

    Attributes:
        number: The number of images.
        seed: Test sets of different seeds are independent samples of the same images.
        ease: How easy the images are on average.
        hardness: The standard deviation between images.
        quality: The standard deviation between runs.
    """

    number: int = 1000
    seed: int = 0
    ease: float = 2.87
    hardness: float = 2.0
    quality: float = 0.1

    def hardnesses(self) -> NDArray[np.float64]:
        """Return the hardness of each image, shape (number,)."""
        return np.random.default_rng([self.seed, 1]).normal(0, self.hardness, self.number)

    def accuracy(self) -> float:
        """Return the accuracy in percent in expectation over runs, on this test set."""
        return 100 * float(ndtr((self.ease + self.hardnesses()) / math.hypot(1, self.quality)).mean())

    def population_accuracy(self) -> float:
        """Return the accuracy in percent in expectation over runs and over test sets."""
        return 100 * float(ndtr(self.ease / math.sqrt(1 + self.quality**2 + self.hardness**2)))


@dataclass(frozen=True)
class Truth:
    """The truth of a study, in percentage points.

    Attributes:
        base: The validation accuracy of a recipe with all parts.
        effects: What removing each part adds to it, in the order of `PARTS`; parts beyond its end have no effect.
        shared: The standard deviation of the noise that all runs of one seed share.
        own: The standard deviation of the noise of each run.
        skewed: Whether the own noise of recipes without a part is exponential, so that their differences are skewed.
        collapse: The probability that a run without the first part ends at chance.
        step: Figures are rounded to multiples of it; 0 for none. That of 1,000 validation images is 0.1.
    """

    base: float = 80.0
    effects: tuple[float, ...] = ()
    shared: float = 0.7
    own: float = 0.7
    skewed: bool = False
    collapse: float = 0.0
    step: float = 0.0

    def effect(self, part: str) -> float:
        """Return the true difference that removing `part` makes."""
        place = PARTS.index(part)
        return self.effects[place] if place < len(self.effects) else 0.0


@dataclass(frozen=True)
class Recipe:
    """Ten parts that can be removed, a setting `x` without any effect to search, and the truth."""

    a: bool = True
    b: bool = True
    c: bool = True
    d: bool = True
    e: bool = True
    f: bool = True
    g: bool = True
    h: bool = True
    i: bool = True
    j: bool = True
    x: float = 0.5
    epochs: int = 1
    truth: Truth = field(default_factory=Truth)
    images: Images = field(default_factory=Images)

    @property
    def removed(self) -> list[str]:
        """The parts that the recipe lacks."""
        return [part for part in PARTS if not getattr(self, part)]


def train(recipe: Recipe, run: Run) -> Iterator[Mapping[str, float]]:
    """Yield the figure of the one epoch; a final run yields a loss and saves a checkpoint."""
    if run.final:
        yield {"train_loss": 0.0}
        with run.checkpoint() as folder:
            (folder / "model").write_text("", encoding="utf-8")
        return
    yield {"val_accuracy": _validation_accuracy(recipe, run)}


def evaluate(recipe: Recipe, run: Run, entries: Sequence[Any]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Yield the accuracy on the test set, and record which images were classified correctly."""
    run.require("test")
    images = recipe.images
    noise = np.random.default_rng([run.seed, _digest(recipe), 2])
    score = images.ease + images.hardnesses() + noise.normal(0, images.quality) + noise.normal(size=images.number)
    correct = score > 0
    _record(run, correct)
    yield "test", {"accuracy": 100 * float(correct.mean())}


def toggles() -> dict[str, dict[str, bool]]:
    """Return the edit that removes each part."""
    return {part: {part: False} for part in PARTS}


def cost(recipe: Recipe) -> dict[str, int]:
    """Return a number of parameters: fewer without a part, more with a larger `x`."""
    return {"parameters": 1000 + round(100 * recipe.x) - len(recipe.removed)}


def chance(recipe: Recipe) -> dict[str, float]:
    """Return what guessing reaches."""
    return {"val_accuracy": CHANCE, "accuracy": CHANCE}


def percentages() -> list[str]:
    """Accuracies are in percent."""
    return ["accuracy"]


def _validation_accuracy(recipe: Recipe, run: Run) -> float:
    truth = recipe.truth
    shared = np.random.default_rng([run.split_seed, run.seed, 0]).normal(0, truth.shared)
    own = np.random.default_rng([run.seed, _digest(recipe), 1])
    if recipe.removed[:1] == [PARTS[0]] and own.random() < truth.collapse:
        return CHANCE
    noise = own.exponential() - 1 if truth.skewed and recipe.removed else own.normal()
    figure = truth.base + sum(map(truth.effect, recipe.removed)) + shared + truth.own * noise
    return min(100.0, max(0.0, round(figure / truth.step) * truth.step if truth.step else figure))


def _record(run: Run, correct: NDArray[np.bool_]) -> None:
    """Record the predictions. All images are of class 0; those that are wrong are taken for class 1."""
    number = len(correct)
    run.record_predictions(
        "test",
        images=np.arange(number),
        labels=np.zeros(number, np.int64),
        predicted=np.where(correct, 0, 1),
        top_probability=np.full(number, 0.9, np.float32),
        label_log_probability=np.log(np.where(correct, 0.9, 0.1)).astype(np.float32),
    )


def _digest(recipe: Recipe) -> int:
    """A number of its own for each recipe, so that the runs of one seed have independent noise."""
    return zlib.crc32(f"{recipe.removed} {recipe.x!r}".encode())
