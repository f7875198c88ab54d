"""Estimate the main effects and two-way interactions of a factorial, with the seeds as blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sweeps.evidence.comparison import Terms, left_out
from sweeps.evidence.equivalence import Equivalence, Margin, equivalences
from sweeps.evidence.level import Level, Missing
from sweeps.evidence.verdict import effect as verdict_on
from sweeps.evidence.verdict import failed_runs, remarks, without_failures
from sweeps.formatting import listed
from sweeps.stats import (
    ALPHA,
    Contrast,
    Estimate,
    Looks,
    anytime_detectable,
    anytime_equivalence_p,
    anytime_interval,
    anytime_location,
    contrasts,
    detectable,
    equivalence_p,
    holm,
    simultaneous,
)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Effect:
    """A main effect or a two-way interaction of a factorial.

    A main effect is the mean with the component minus the mean without it. The interaction of a and b is half of: the
    effect of a with b minus the effect of a without b.

    Attributes:
        components: One component for a main effect, two for an interaction.
        estimate: The effect over the seeds, in the metric's units.
        p: The p of the t test of the estimate.
        p_holm: The same, adjusted over all effects (Holm).
        simultaneous: The interval of the estimate, adjusted over all effects (Bonferroni); None without an interval.
        aliases: The effects that share the estimate in a fraction: "c:d", or "-c:d" with the opposite sign.
        verdict: The result as a sentence.
        short: The result in a few words, for a table.
        missing: The seeds that are left out because an arm has no value for them.
        detectable: The effect that as many seeds find with 80 % power by the test corrected over all effects.
        sign_flip_p: The p of the sign-flip test over the seeds; None with an anytime interval, for it holds for a fixed
            number only.
        sign_flip_holm: The same, adjusted over all effects (Holm).
        equivalence: The test against the margin, adjusted over all effects; None without a margin.
        unbroken: The effect over the seeds in which no run diverged or collapsed; None where none did, or below two.
    """

    components: tuple[str, ...]
    estimate: Estimate
    p: float
    p_holm: float
    simultaneous: tuple[float, float] | None
    aliases: tuple[str, ...]
    verdict: str
    short: str = ""
    missing: tuple[Missing, ...] = ()
    detectable: float | None = None
    sign_flip_p: float | None = None
    sign_flip_holm: float | None = None
    equivalence: Equivalence | None = None
    unbroken: Estimate | None = None


def effects(levels: Sequence[Level], terms: Terms) -> tuple[Effect, ...]:
    """Estimate the effects of the components that `levels` lack, over the seeds for which every arm has a value."""
    if not levels:
        return ()
    removed = dict.fromkeys(name for level in levels for name in level.arm.removed)
    components = [name for name in dict.fromkeys((*terms.components, *removed)) if name in removed]
    shared = sorted(set.intersection(*(set(level.values) for level in levels)))
    values = np.array([[level.values[replicate] for level in levels] for replicate in shared], dtype=np.float64)
    design = np.array([[-1.0 if name in level.arm.removed else 1.0 for name in components] for level in levels])
    estimates = _contrasts(values, design, shared, terms) if components else ()
    broken = frozenset[int]().union(*(level.broken for level in levels))
    kept = [place for place, replicate in enumerate(shared) if replicate not in broken]
    without = _contrasts(values[kept], design, [shared[place] for place in kept], terms) if estimates and broken else ()
    unbroken = dict(enumerate(one.location.estimate for one in without))
    adjusted = holm([contrast.location.p for contrast in estimates])
    flips = holm([contrast.sign_flip_p for contrast in estimates])
    near = equivalences([_margin(contrast, levels, terms) for contrast in estimates], terms.margin, terms.looks)
    missing = left_out(levels)
    failed = failed_runs(sum(level.imputed for level in levels), sum(level.collapsed or 0 for level in levels))
    made = (
        _effect(contrast, (p, flip), within, components, len(estimates), missing, terms)
        for contrast, p, flip, within in zip(estimates, adjusted, flips, near, strict=True)
    )
    return tuple(_with_failures(one, failed, unbroken.get(place), terms) for place, one in enumerate(made))


def _contrasts(values: Array, design: Array, replicates: Sequence[int], terms: Terms) -> tuple[Contrast, ...]:
    """The effects over these seeds, allowing for looks; empty below two seeds, or before the first look."""
    least = terms.looks.first if terms.looks else 2
    if len(replicates) < least:
        return ()
    first = None if terms.first is None else sum(replicate < terms.first for replicate in replicates)
    # Stein's variance needs two seeds of the first stage; without a second stage it is the ordinary one.
    stage = first if first is not None and 2 <= first < len(replicates) else None
    found = contrasts(values, design, stage, terms.resolution)
    looks = terms.looks
    if looks is None:
        return found
    return tuple(replace(one, location=anytime_location(one.location, looks)) for one in found)


def _with_failures(one: Effect, failed: str, unbroken: Estimate | None, terms: Terms) -> Effect:
    """The effect with the failed runs of its arms in its sentence, and the estimate without them."""
    without = without_failures(terms.metric_format, one.estimate, unbroken, "seed")
    return replace(one, verdict=one.verdict + failed + without, unbroken=unbroken)


def _margin(contrast: Contrast, levels: Sequence[Level], terms: Terms) -> Margin:
    """The test of an effect against the margin. A failed run of any arm is behind every effect."""
    tested, failures = contrast.location, sum(level.failures for level in levels)
    p = 1.0
    if terms.margin is not None and terms.looks is not None:
        p = anytime_equivalence_p(tested, terms.margin, terms.looks)
    elif terms.margin is not None:
        p = equivalence_p(tested, terms.margin)
    judged = all(level.collapsed is not None for level in levels)
    return Margin(tested.estimate, tested.df, p, failures, min(len(level.values) for level in levels), judged)


def _effect(
    contrast: Contrast,
    adjusted: tuple[float, float],
    equivalence: Equivalence | None,
    components: Sequence[str],
    family: int,
    missing: tuple[Missing, ...],
    terms: Terms,
) -> Effect:
    names = tuple(components[factor] for factor in contrast.factors)
    estimate, df = contrast.location.estimate, contrast.location.df
    p_holm, sign_flip_holm = adjusted
    looks = terms.looks
    if looks is None:
        least = detectable(estimate.sd, estimate.n, df, family)
    else:
        least = anytime_detectable(estimate, looks, family)
    most = looks.last if looks else None
    words = verdict_on(names, terms.metric_format, estimate, p_holm, family, least, equivalence, most)
    aliases = _aliases(contrast, components)
    shared = f" It shares its estimate with {_spoken(aliases)}: the design cannot tell them apart." if aliases else ""
    after = remarks("seed", "", (0, 0), 0, (0, 0), [(lost.replicate, lost.why) for lost in missing])
    return Effect(
        components=names,
        estimate=estimate,
        p=contrast.location.p,
        p_holm=p_holm,
        simultaneous=_simultaneous(estimate, df, family, looks) if estimate.has_interval else None,
        aliases=aliases,
        verdict=words.sentence + shared + after,
        short=words.short,
        missing=missing,
        detectable=least,
        sign_flip_p=contrast.sign_flip_p if looks is None else None,
        sign_flip_holm=sign_flip_holm if looks is None else None,
        equivalence=equivalence,
    )


def _simultaneous(estimate: Estimate, df: int, family: int, looks: Looks | None) -> tuple[float, float]:
    if looks is not None:
        return anytime_interval(estimate, looks, ALPHA / family)
    return simultaneous(estimate, family, df)


def _spoken(aliases: Sequence[str]) -> str:
    """Aliases in words: "the interactions of a and b, c and d (with the opposite sign)"."""
    opposite = " (with the opposite sign)"
    names = [f"{listed(name.lstrip('-').split(':'))}{opposite if name[0] == '-' else ''}" for name in aliases]
    return f"the {'interaction' if len(names) == 1 else 'interactions'} of {', '.join(names)}"


def _aliases(contrast: Contrast, components: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        f"{'-' if sign < 0 else ''}{':'.join(components[factor] for factor in factors)}"
        for factors, sign in contrast.aliases
    )
