"""An ablation that is looked at after every pair does not stop on an equivalence that its report does not claim."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweeps import evidence
from sweeps.trial.seeds import stream
from sweeps.workload import Prepared, Run, Site
from tests.sweeps.support import run_inline, toy_study

STUDY: dict[str, Any] = {
    "workload": "tests.sweeps.stages.test_anytime_failures",
    "baseline": {"fails": "never"},
    "parameters": {},
    "run_cap": 0,
    "seed": 0,
}
SEEDS = {"min": 4, "max": 6, "anytime": True}
THIRD = stream(0, "ablation", 2, "split")


@dataclass(frozen=True)
class Recipe:
    """The recipe of a workload of which one run may fail: "diverges" or "collapses"."""

    fails: str = "never"
    part: bool = True


def train(recipe: Recipe, run: Run) -> Iterator[Mapping[str, float]]:
    """Yield an accuracy with a little noise; at chance level, or infinite, for the third seed of a failing recipe."""
    accuracy = 60.0 + np.random.default_rng([run.seed, recipe.part]).normal(0, 0.1)
    if run.split_seed == THIRD and recipe.fails in ("diverges", "collapses"):
        accuracy = math.inf if recipe.fails == "diverges" else 10.0
    yield {"val_accuracy": accuracy}
    with run.checkpoint() as folder:
        (folder / "state.json").write_text("{}")


def chance(recipe: Recipe) -> dict[str, float]:
    """Return the accuracy of ten classes."""
    return {"val_accuracy": 10.0}


def percentages() -> list[str]:
    """Return the metrics in percent."""
    return ["accuracy"]


def prepare(recipe: Recipe, site: Site) -> Prepared:
    """Return the number of validation images, with which figures have a resolution."""
    return Prepared(provenance={"fingerprint": "made up", "validation_images": 1000})


@pytest.mark.parametrize(("fails", "seeds"), [("nowhere", 4), ("diverges", 6), ("collapses", 6)])
@pytest.mark.parametrize("design", ["leave_one_out", "factorial"])
def test_failed_run_keeps_an_equivalence_from_ending_the_ablation(
    fails: str, seeds: int, design: str, tmp_path: Path
) -> None:
    components = {"a": {"fails": fails}, "b": {"part": False}}
    rule = {"baseline": "given", "design": design, "components": components, "seeds": SEEDS, "margin": 500.0}
    results = run_inline(toy_study(**STUDY, ablation=rule), tmp_path).results
    ablation = evidence.ablation(results)
    assert ablation is not None
    claims = [one.equivalence.claimed for one in (*ablation.comparisons, *ablation.effects) if one.equivalence]
    arm = next(level for level in ablation.levels if "a" in level.arm.removed)
    assert len(arm.values) == seeds
    assert claims[0] is (fails == "nowhere")
