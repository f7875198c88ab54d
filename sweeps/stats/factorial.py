"""Main effects and two-way interactions of a two-level factorial, with seeds as blocks.

Every seed gives one contrast per effect, and the interval is Student's over the seeds: no variance is pooled over arms.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from sweeps.stats.student import Array, Location, location


@dataclass(frozen=True)
class Contrast:
    """One estimable effect: the `factors` (one: a main effect; two: an interaction) and its figures over seeds.

    `aliases` are the other effects whose column in the design is the same (+1) or the opposite (-1): the data cannot
    tell them apart, and the estimate is their signed sum.
    """

    factors: tuple[int, ...]
    aliases: tuple[tuple[tuple[int, ...], int], ...]
    location: Location


def contrasts(values: Array, design: Array, first: int | None = None) -> tuple[Contrast, ...]:
    """The effects in `values`, shape (seeds, arms), under `design`, shape (arms, factors): +1 present, -1 removed.

    A main effect is the mean with the factor present minus the mean with it removed. An interaction of a and b is half
    of the effect of a where b is present minus the effect of a where b is removed. Arms may be missing from the design:
    the effects are then those of least squares with these terms alone. Empty below two seeds, or where the arms leave
    the effects undetermined. `first` is the size of Stein's first stage.
    """
    if values.ndim != 2 or design.ndim != 2 or values.shape[1] != design.shape[0]:
        raise ValueError(f"the design has {design.shape} arms and factors, but the values are {values.shape}")
    effects = seed_effects(values, design)
    if values.shape[0] < 2 or effects is None:
        return ()
    return tuple(
        Contrast(group[0][0], tuple(group[1:]), location(effects[:, index], first))
        for index, group in enumerate(_distinct(design))
    )


def seed_effects(values: Array, design: Array) -> Array | None:
    """Every seed's own estimate of each distinct effect, in the order of `contrasts`: shape (seeds, effects).

    None where the arms leave the effects undetermined.
    """
    model = np.column_stack([np.ones(design.shape[0]), *(_column(design, group[0][0]) for group in _distinct(design))])
    if np.linalg.matrix_rank(model) < model.shape[1]:
        return None
    return _rounded(values @ (2 * np.linalg.pinv(model)[1:]).T, values)


def _distinct(design: Array) -> list[list[tuple[tuple[int, ...], int]]]:
    """The main effects and interactions, those of equal or opposite columns together; constant columns are none."""
    factors = range(design.shape[1])
    terms = [(factor,) for factor in factors] + list(itertools.combinations(factors, 2))
    groups: list[list[tuple[tuple[int, ...], int]]] = []
    for term in terms:
        column = _column(design, term)
        if np.ptp(column) == 0:
            continue
        for group in groups:
            if abs(product := float(column @ _column(design, group[0][0]))) == column.size:
                group.append((term, int(np.sign(product))))
                break
        else:
            groups.append([(term, 1)])
    return groups


def _column(design: Array, term: tuple[int, ...]) -> Array:
    return np.asarray(design[:, list(term)].prod(axis=1), dtype=np.float64)


def _rounded(effects: Array, values: Array) -> Array:
    """Effects that are rounding beside the values become 0."""
    return np.where(np.abs(effects) <= 1e-12 * np.abs(values).max(), 0.0, effects)
