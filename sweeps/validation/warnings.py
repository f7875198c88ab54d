"""What a study as written could not show, however its runs turn out: known before anything is spent."""

from __future__ import annotations

import math

from sweeps.designs.fractional import fraction
from sweeps.formatting import count
from sweeps.study.sections import Ablation, Seeds
from sweeps.study.study import Study

LEVEL = 0.05


def warnings(study: Study) -> list[str]:
    """The warnings about `study`, one sentence each; empty when there is none."""
    found = []
    family = comparisons(study)
    if study.ablation is not None:
        words = "its first " if isinstance(study.ablation.seeds, Seeds) else ""
        found += _sign_flip("ablation", fewest(study.ablation), family, words)
    if study.final is not None and study.final.arms == "all":
        found += _sign_flip("final", study.final.seeds, family)
    if study.ablation is not None and study.ablation.baseline == "best" and study.confirm is None:
        found.append(
            "ablation.baseline is best but there is no confirm: the best of the search is a single run, chosen as an "
            "extreme; give confirm: {top: 5, seeds: 3}"
        )
    return found


def comparisons(study: Study) -> int:
    """How many comparisons the ablation makes when every component applies: the family that Holm adjusts over.

    Of a factorial these are the main effects and two-way interactions that it can tell apart; of a path, at most its
    searched dimensions.
    """
    if study.ablation is None:
        return 0
    names = list(study.ablation.components or ())
    match study.ablation.design:
        case "leave_one_out" | "alternatives":
            return len(names)
        case "add_one_in":
            return len(names) + 1
        case "factorial":
            return fraction(names).contrasts
        case "path":
            return len(study.space.dimensions)


def fewest(ablation: Ablation) -> int:
    """The replicates that every arm gets at least."""
    return ablation.seeds.min if isinstance(ablation.seeds, Seeds) else ablation.seeds


def smallest_p(pairs: int, family: int = 1) -> float:
    """The smallest p that the exact sign-flip check can reach over `pairs` pairs, Holm-adjusted over `family`."""
    return min(1.0, family * 2.0 ** (1 - pairs))


def pairs_needed(family: int) -> int:
    """The fewest pairs with which the sign-flip check can reach `LEVEL` after Holm over `family` comparisons."""
    return math.ceil(math.log2(2 * max(1, family) / LEVEL))


def _sign_flip(stage: str, pairs: int, family: int, which: str = "") -> list[str]:
    smallest = smallest_p(pairs, family)
    if not family or smallest <= LEVEL:
        return []
    return [
        f"{stage}: with {which}{pairs} seeds the exact sign-flip check cannot confirm any difference: over "
        f"{count(family, 'comparison')} its smallest Holm-adjusted p is {smallest:.2g}, above {LEVEL}; "
        f"{pairs_needed(family)} seeds or more are needed"
    ]
