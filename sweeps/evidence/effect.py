"""Main effects and two-way interactions of a factorial, with the seeds as blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sweeps.evidence.comparison import Terms, left_out
from sweeps.evidence.level import Level, Missing
from sweeps.evidence.verdict import effect as verdict_on
from sweeps.evidence.verdict import remarks
from sweeps.stats import Contrast, Estimate, contrasts, detectable, holm, simultaneous


@dataclass(frozen=True)
class Effect:
    """A main effect or a two-way interaction of a factorial: `estimate` over seeds, as blocks.

    A main effect is the mean with the component minus the mean without it; the interaction of a and b is half of the
    effect of a with b minus the effect of a without b. `p_holm` and `simultaneous` are adjusted over all the effects.
    `aliases` name the effects that share the estimate ("c:d", or "-c:d" where its sign is the opposite). `missing` are
    the seeds left out, because some arm has no figure for them.
    """

    components: tuple[str, ...]
    estimate: Estimate
    p: float
    p_holm: float
    simultaneous: tuple[float, float]
    aliases: tuple[str, ...]
    verdict: str
    short: str = ""
    missing: tuple[Missing, ...] = ()


def effects(levels: Sequence[Level], terms: Terms) -> tuple[Effect, ...]:
    """The effects of the components that `levels` lack, over the seeds that every arm has a figure of."""
    if not levels:
        return ()
    lacked = dict.fromkeys(name for level in levels for name in level.arm.removed)
    components = [name for name in dict.fromkeys((*terms.components, *lacked)) if name in lacked]
    whole = sorted(set.intersection(*(set(level.values) for level in levels)))
    values = np.array([[level.values[replicate] for level in levels] for replicate in whole], dtype=np.float64)
    design = np.array([[-1.0 if name in level.arm.removed else 1.0 for name in components] for level in levels])
    first = None if terms.first is None else sum(replicate < terms.first for replicate in whole)
    stage = first if first is not None and 2 <= first < len(whole) else None
    found = contrasts(values, design, stage) if len(whole) > 1 and components else ()
    adjusted = holm([contrast.location.p for contrast in found])
    missing = left_out(levels)
    return tuple(
        _effect(contrast, p, components, len(found), missing, terms)
        for contrast, p in zip(found, adjusted, strict=True)
    )


def _effect(
    contrast: Contrast,
    p_holm: float,
    components: Sequence[str],
    family: int,
    missing: tuple[Missing, ...],
    terms: Terms,
) -> Effect:
    named = tuple(components[factor] for factor in contrast.factors)
    where = contrast.location
    least = detectable(where.estimate.sd, where.estimate.n, where.df)
    words = verdict_on(named, terms.measure, where.estimate, p_holm, family, least)
    aliases = tuple(
        f"{'-' if sign < 0 else ''}{':'.join(components[factor] for factor in factors)}"
        for factors, sign in contrast.aliases
    )
    shared = f" It shares its estimate with {', '.join(aliases)}: the design cannot tell them apart." if aliases else ""
    after = remarks("seed", "", 0, 0, 0, [(lost.replicate, lost.why) for lost in missing])
    return Effect(
        components=named,
        estimate=where.estimate,
        p=where.p,
        p_holm=p_holm,
        simultaneous=simultaneous(where.estimate, family, where.df),
        aliases=aliases,
        verdict=words.sentence + shared + after,
        short=words.short,
        missing=missing,
    )
