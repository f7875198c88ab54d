"""Main effects and two-way interactions of a two-level factorial, with seeds as blocks.

Every seed gives one contrast per effect. The interval is Student's over the seeds; no variance is pooled over arms.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from sweeps.stats.signs import sign_flip
from sweeps.stats.student import Array, Location, location, rounding_sd


@dataclass(frozen=True)
class Contrast:
    """One effect that the design can estimate.

    Attributes:
        factors: One index for a main effect, two for an interaction.
        aliases: The other effects with the same column in the design (+1) or the opposite one (-1). The data cannot
            separate them; the estimate is their signed sum.
        location: The test of the effect over the seeds.
        sign_flip_p: The p of the sign-flip test over the seeds.
    """

    factors: tuple[int, ...]
    aliases: tuple[tuple[tuple[int, ...], int], ...]
    location: Location
    sign_flip_p: float


def contrasts(
    values: Array, design: Array, first: int | None = None, resolution: float | None = None
) -> tuple[Contrast, ...]:
    """Estimate the main effects and two-way interactions.

    A main effect is the mean with the factor present minus the mean with it removed. An interaction of a and b is half
    of: the effect of a with b present minus the effect of a with b removed. If arms are missing, the effects are those
    of least squares with these terms only.

    Args:
        values: The metric, shape (seeds, arms).
        design: Shape (arms, factors): +1 if the factor is present, -1 if it is removed.
        first: The size of Stein's first stage, as in `samples`.
        resolution: The step to which the metric of a run is rounded; None if it is not known.

    Returns:
        The effects: main effects first, then interactions. Empty below two seeds, or if the arms do not determine the
        effects.

    Raises:
        ValueError: The shapes do not match.
    """
    if values.ndim != 2 or design.ndim != 2 or values.shape[1] != design.shape[0]:
        raise ValueError(f"the design has {design.shape} arms and factors, but the values are {values.shape}")
    groups, weights = _distinct(design), _weights(design)
    if values.shape[0] < 2 or weights is None:
        return ()
    effects = _rounded(values @ weights.T, values)
    floors = effect_floors(design, resolution)
    return tuple(
        Contrast(group[0][0], tuple(group[1:]), location(effect, first, floor), sign_flip(effect).p)
        for group, effect, floor in zip(groups, effects.T, floors, strict=True)
    )


def seed_effects(values: Array, design: Array) -> Array | None:
    """Estimate each effect for every seed by itself.

    Args:
        values: The metric, shape (seeds, arms).
        design: Shape (arms, factors), as in `contrasts`.

    Returns:
        Shape (seeds, effects), in the order of `contrasts`. None if the arms do not determine the effects.
    """
    weights = _weights(design)
    return None if weights is None else _rounded(values @ weights.T, values)


def effect_floors(design: Array, resolution: float | None) -> list[float]:
    """Return the standard deviation that rounding gives to each effect, in the order of `contrasts`.

    Empty if the arms do not determine the effects.
    """
    weights = _weights(design)
    return [] if weights is None else [rounding_sd(resolution or 0.0, row) for row in weights]


def _weights(design: Array) -> Array | None:
    """Return the weight of each arm in each effect, shape (effects, arms); None if the arms do not determine them."""
    model = np.column_stack([np.ones(design.shape[0]), *(_column(design, group[0][0]) for group in _distinct(design))])
    if np.linalg.matrix_rank(model) < model.shape[1]:
        return None
    # A regression coefficient is the effect of half the step from -1 to +1, hence the 2. Row 0 is the intercept.
    return np.asarray(2 * np.linalg.pinv(model)[1:], dtype=np.float64)


def _distinct(design: Array) -> list[list[tuple[tuple[int, ...], int]]]:
    """Return the main effects and interactions, grouped by equal or opposite columns, each with its sign in the group.

    Constant columns are left out: they are part of the mean.
    """
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
    """Return the column of an effect: the product of its factors' columns."""
    return np.asarray(design[:, list(term)].prod(axis=1), dtype=np.float64)


def _rounded(effects: Array, values: Array) -> Array:
    """Set effects to 0 that are only rounding of the values."""
    return np.where(np.abs(effects) <= 1e-12 * np.abs(values).max(), 0.0, effects)
