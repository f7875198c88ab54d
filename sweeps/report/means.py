"""Put the mean of an arm over its seeds into words."""

from __future__ import annotations

from sweeps.evidence import Level
from sweeps.formatting import MetricFormat, count, listed, same_places
from sweeps.stats import Estimate


def estimate_text(estimate: Estimate, words: MetricFormat, noun: str = "seed") -> str:
    """Return a mean with its interval and n: "91.20 % (95 % CI 90.75 to 91.65 %, n = 5 seeds)"."""
    mean, low, high = same_places(words.show, [estimate.mean, estimate.low, estimate.high])
    return f"{mean} (95 % CI {low.removesuffix(' %')} to {high}, n = {count(estimate.n, noun)})"


def mean_text(level: Level, words: MetricFormat) -> str:
    """Return the mean of an arm with its interval, or the figures of one or two runs, which have none."""
    if level.mean is not None:
        return estimate_text(level.mean, words)
    shown, runs = words.show(level.center), len(level.values)
    if runs == 1:
        return f"{shown} (n = 1 seed: a single run, so without an interval)"
    if runs == 2:
        figures = listed([words.show(value) for value in level.values.values()])
        return f"{shown} (n = 2 seeds: {figures}, too few for an interval)"
    return f"{shown} (n = {runs} seeds, all equal; without a known resolution of the metric there is no interval)"


def failed_text(level: Level) -> str:
    """Return a clause on the runs of an arm that diverged or collapsed; empty if none did."""
    runs = len(level.values)
    without = level.diverged - level.imputed
    text = f"; {level.imputed} of {runs} runs diverged and count at chance level" if level.imputed else ""
    text += f"; {level.collapsed} of {runs} runs collapsed to chance level" if level.collapsed else ""
    left_out = f"{count(without, 'run')} that diverged {'is' if without == 1 else 'are'} left out"
    return text + (f"; {left_out}, as no chance level is known" if without else "")
