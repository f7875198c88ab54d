"""The comparisons of an ablation so far, tested as its report tests them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sweeps.evidence import Level
from sweeps.evidence.summary import ablation_levels
from sweeps.stats import Location, effect_floors, location, rounding_sd, seed_effects
from sweeps.storage.results import Results


@dataclass(frozen=True)
class Tested:
    """A comparison of two arms, or an effect of a factorial.

    Attributes:
        arms: The names of the arms whose runs it needs.
        location: The test of its differences, for a fixed n; None below two.
        void: Whether a run of these arms has diverged or collapsed, so that it is never called equivalent.
    """

    arms: tuple[str, ...]
    location: Location | None
    void: bool


def families(results: Results, *, factorial: bool) -> list[list[Tested]]:
    """Return the comparisons of an ablation in families over which p is adjusted: re-tuned arms are one of their own.

    Args:
        results: The results of the study, in which the ablation has begun.
        factorial: Whether effects take the place of comparisons.
    """
    levels, resolution = ablation_levels(results)
    fixed, tuned = ([level for level in levels if level.arm.tuned is again] for again in (False, True))
    return [(_effects if factorial else _comparisons)(fixed, resolution), _comparisons(tuned, resolution)]


def _comparisons(levels: Sequence[Level], resolution: float | None) -> list[Tested]:
    by_name = {level.arm.name: level for level in levels}
    pairs = [(by_name[level.arm.reference], level) for level in levels if level.arm.reference in by_name]
    return [_comparison(reference, level, resolution) for reference, level in pairs]


def _comparison(reference: Level, level: Level, resolution: float | None) -> Tested:
    both = sorted(reference.values.keys() & level.values.keys())
    differences = [level.values[replicate] - reference.values[replicate] for replicate in both]
    floor = rounding_sd(resolution or 0.0, [1.0, -1.0])
    tested = location(differences, floor=floor) if len(differences) > 1 else None
    return Tested((level.arm.name, reference.arm.name), tested, bool(level.failures or reference.failures))


def _effects(levels: Sequence[Level], resolution: float | None) -> list[Tested]:
    """The effects over the replicates of which every arm has a figure; a failed run of any arm is behind each."""
    names = tuple(level.arm.name for level in levels)
    components = sorted({name for level in levels for name in level.arm.removed})
    design = np.array([[-1.0 if name in level.arm.removed else 1.0 for name in components] for level in levels])
    whole = sorted(set.intersection(*(set(level.values) for level in levels)))
    values = np.array([[level.values[replicate] for level in levels] for replicate in whole])
    effects = seed_effects(values, design) if len(whole) > 1 else None
    if effects is None:
        return []
    floors, void = effect_floors(design, resolution), any(level.failures for level in levels)
    rows = zip(effects.T, floors, strict=True)
    return [Tested(names, location(effect, floor=floor), void) for effect, floor in rows]
