"""What the per-image evidence finds where there is nothing to find: arms that differ by their seeds alone.

    python -m benchmarks.image_evidence [--studies 300] [--out benchmarks/results/image_evidence]

Each study has a baseline and three arms with the same probability to predict an image right, which differs by image,
and moves with seed and class. The result is the share of studies in which some class differs (Holm p below 0.05), and
how many images flip, beside how many are said to flip by chance.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import write_result
from sweeps.artifacts.predictions import ImagePredictions
from sweeps.evidence.images.class_differences import class_differences
from sweeps.evidence.images.flips import flips
from sweeps.evidence.images.runs import ArmRuns, SetRuns
from sweeps.stats import ALPHA
from sweeps.trial.arm import BASELINE, Arm

CLASSES, ARMS = 10, 3
SEEDS = (3, 4, 6, 10)
# Images, deviation of a seed's logit within a class, mean logit of the images.
SETTINGS = ((300, 0.3, 2.5), (2000, 0.3, 2.5), (2000, 0.05, 4.0))


def study(draws: np.random.Generator, seeds: int, images: int, deviation: float, logit: float) -> SetRuns:
    """Return the runs of a study in which no arm differs from the baseline."""
    labels, difficulty = np.arange(images) % CLASSES, draws.normal(logit, 2.0, images)
    arms = []
    for place in range(ARMS + 1):
        runs = {seed: _run(draws, labels, difficulty, deviation) for seed in range(seeds)}
        name = f"arm {place}" if place else BASELINE
        arms.append(ArmRuns(Arm(name, {"arm": place}, reference=BASELINE if place else ""), runs))
    return SetRuns("final", "test", (), tuple(arms), seeds * len(arms), ())


def _run(draws: np.random.Generator, labels: np.ndarray, difficulty: np.ndarray, deviation: float) -> ImagePredictions:
    logits = difficulty + draws.normal(0, deviation, CLASSES)[labels]
    right = draws.random(len(labels)) < 1 / (1 + np.exp(-logits))
    predicted = np.where(right, labels, (labels + 1) % CLASSES)
    certain = np.ones(len(labels))
    return ImagePredictions.of(np.arange(len(labels)), labels, predicted, certain, 0 * certain)


def rows(studies: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each number of seeds and setting."""
    draws = np.random.default_rng(0)
    for seeds in SEEDS:
        for images, deviation, logit in SETTINGS:
            errors, lost, expected = 0, list[int](), list[float]()
            for _ in range(studies):
                made = study(draws, seeds, images, deviation, logit)
                errors += min(one.p_holm for one in class_differences(made)) < ALPHA
                lost += [one.lost for one in flips(made)]
                expected += [one.by_chance for one in flips(made)]
            yield {
                "seeds": seeds,
                "images": images,
                "deviation": deviation,
                "mean logit": logit,
                "family-wise error, %": round(100 * errors / studies, 1),
                "images lost": round(float(np.mean(lost)), 2),
                "said to be by chance": round(float(np.mean(expected)), 2),
            }


def main() -> None:
    """Simulate, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--studies", type=int, default=300)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    table = list(rows(options.studies))
    lines = ["| " + " | ".join(table[0]) + " |", "|" + " ---: |" * len(table[0])]
    lines += ["| " + " | ".join(map(str, row.values())) + " |" for row in table]
    title = f"{options.studies} studies per row without any difference: {CLASSES} classes, {ARMS} arms.\n"
    write_result(table, "\n".join([title, *lines]) + "\n", options.out)


if __name__ == "__main__":
    main()
