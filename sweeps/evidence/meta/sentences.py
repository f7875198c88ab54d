"""The result of a meta-analysis in words."""

from __future__ import annotations

from sweeps.evidence.meta.analysis import MetaAnalysis
from sweeps.evidence.verdict import action
from sweeps.formatting import MetricFormat, p_text
from sweeps.stats import ALPHA, RandomEffects


def headline(one: MetaAnalysis, words: MetricFormat) -> str:
    """Return the mean over the studies as a sentence.

    Args:
        one: The meta-analysis of a component.
        words: The format of the metric.
    """
    comparison = one.differences[0].comparison
    start = action(comparison.arm, comparison.reference, "")
    if one.pooled is None or one.p_holm is None:
        return f"{start}: no mean over studies, for fewer than two of {len(one.differences)} have a spread."
    return _mean(start, one.pooled, one.p_holm, words, one.family)


def agreement(one: MetaAnalysis, words: MetricFormat) -> str:
    """Return in sentences how far the studies agree on a component, and how many of them replicate a direction."""
    parts = [f"{one.component}: {_replicated(one, words)}"]
    if one.pooled is not None:
        parts.append(_heterogeneity(one.pooled, words))
    if one.without_spread:
        parts.append(f"Not in the mean, because all pairs are equal: {', '.join(one.without_spread)}.")
    return " ".join(parts)


def _mean(start: str, pooled: RandomEffects, p_holm: float, words: MetricFormat, family: int) -> str:
    half = (pooled.high - pooled.low) / 2
    name = "Holm p" if family > 1 else "p"
    figures = f"k = {pooled.k} studies, {name} {p_text(p_holm)}"
    if p_holm < ALPHA:
        verb = "raised" if pooled.mean > 0 else "lowered"
        low, high = sorted((abs(pooled.low), abs(pooled.high)))
        interval = f"95 % CI {words.digits(low, half)} to {words.digits(high, half)}"
        return f"{start} {verb} {words.label} by {words.gap(pooled.mean, half)} on average ({interval}, {figures})."
    unit = " pp" if words.unit else ""
    interval = f"95 % CI {words.digits(pooled.low, half)} to {words.digits(pooled.high, half)}"
    mean = f"mean difference {words.digits(pooled.mean, half)}{unit}, {interval}"
    return f"{start}: over studies inconclusive for {words.label} ({mean}, {figures})."


def _heterogeneity(pooled: RandomEffects, words: MetricFormat) -> str:
    unit = " pp" if words.unit else ""
    low, high = words.digits(pooled.tau_low, pooled.tau_high), words.digits(pooled.tau_high, pooled.tau_high)
    between = f"{words.digits(pooled.tau, pooled.tau_high)}{unit} (95 % CI {low} to {high})"
    text = f"Between studies the difference varies with a standard deviation of {between}"
    text += f", {100 * pooled.i2:.0f} % of the variance (I²); p of one common difference {p_text(pooled.q_p)}"
    if pooled.next_low is None or pooled.next_high is None:
        return f"{text}."
    half = (pooled.next_high - pooled.next_low) / 2
    ends = f"{words.digits(pooled.next_low, half)} to {words.digits(pooled.next_high, half)}{unit}"
    return f"{text}. In a further study of this kind: {ends} (95 % prediction interval)."


def _replicated(one: MetaAnalysis, words: MetricFormat) -> str:
    number = len(one.differences)
    shown = [
        f"{verb} {words.label} in {f'all {number}' if least == number else f'at least {least} of {number}'} studies"
        for verb, least in _least(one)
        if least
    ]
    if not shown:
        return f"in none of {number} studies is a direction shown after correction over the studies."
    return f"{' and '.join(shown)} (partial conjunction, corrected over the studies)."


def _least(one: MetaAnalysis) -> tuple[tuple[str, int], tuple[str, int]]:
    return ("lowered", one.lowered), ("raised", one.raised)
