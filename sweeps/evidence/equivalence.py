"""Whether a difference is smaller than the margin, by Holm's procedure over the tests of one table, and in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sweeps.evidence.level import Level
from sweeps.formatting import MetricFormat, count, p_text
from sweeps.stats import ALPHA, Looks, Paired, holm, holm_steps, interval_at, share_bound


@dataclass(frozen=True)
class Equivalence:
    """The two one-sided tests of a difference against ±`margin`, adjusted over the comparisons of one table.

    Attributes:
        margin: The largest difference that does not matter, in the metric's units.
        p: The larger p of the two tests.
        p_holm: The same, adjusted (Holm).
        coverage: The coverage, from 0 to 1, of the interval of the step in which Holm's procedure decides: 1 - 2 · 5 %
            over the number of tests left. It lies within the margin exactly if `p_holm` is below 5 %.
        interval: That interval; None where the difference has none, or where failures void the claim it would make.
        family: The number of tests over which p is adjusted.
        failures: The number of runs of both arms that diverged or collapsed. Any of them voids the claim: a mean over
            seeds hides how often an arm fails.
        runs: The number of the arm's runs.
        judged: Whether runs can collapse: not without a chance level.
    """

    margin: float
    p: float
    p_holm: float
    coverage: float
    interval: tuple[float, float] | None
    family: int
    failures: int
    runs: int
    judged: bool

    @property
    def passed(self) -> bool:
        """Whether the tests alone say that the difference is smaller than the margin."""
        return self.p_holm < ALPHA

    @property
    def claimed(self) -> bool:
        """Whether the difference is called smaller than the margin."""
        return self.passed and not self.failures


def equivalences(tested: Sequence[tuple[Paired, Level, Level]], looks: Looks | None = None) -> list[Equivalence | None]:
    """Return the equivalence tests of one family, in the same order; None for each without a margin.

    Args:
        tested: The statistics of each comparison, its reference and its arm.
        looks: The looks at comparisons that may be looked at after every pair; None with another rule.
    """
    p = [paired.equivalence_p for paired, _, _ in tested if paired.equivalence_p is not None]
    if len(p) < len(tested):  # the margin is that of the study: every comparison has it, or none
        return [None] * len(tested)
    rows = zip(tested, p, holm(p), holm_steps(p), strict=True)
    return [_equivalence(one, (own, adjusted), step, len(p), looks) for one, own, adjusted, step in rows]


def _equivalence(
    one: tuple[Paired, Level, Level], p: tuple[float, float], step: int, family: int, looks: Looks | None
) -> Equivalence:
    paired, reference, level = one
    failures = reference.failures + level.failures
    void = not paired.estimate.has_interval or failures
    return Equivalence(
        margin=paired.margin or 0.0,
        p=p[0],
        p_holm=p[1],
        coverage=1 - 2 * ALPHA / step,
        interval=None if void else _interval(paired, 2 * ALPHA / step, looks),
        family=family,
        failures=failures,
        runs=len(level.values),
        judged=level.collapsed is not None,
    )


def _interval(paired: Paired, level: float, looks: Looks | None) -> tuple[float, float]:
    if looks is None:
        return interval_at(paired.estimate, level, paired.df)
    half = looks.critical(paired.n, level) * paired.sd / math.sqrt(paired.n)
    return paired.mean - half, paired.mean + half


def within(metric_format: MetricFormat, margin: float) -> str:
    """Return the claim in a few words: "smaller than ±0.5 pp"."""
    return f"smaller than ±{margin:g}{' pp' if metric_format.unit else ''}"


def equivalence_text(metric_format: MetricFormat, equivalence: Equivalence, paired: Paired) -> str:
    """Return the claim with its p, the interval of its Holm step, and how often the arm may collapse."""
    name = "Holm p" if equivalence.family > 1 else "p"
    parts = [f"equivalence, {name} {p_text(equivalence.p_holm)}, {_interval_text(metric_format, equivalence)}"]
    if paired.estimate.has_interval and max(-paired.low, paired.high) > equivalence.margin:
        tests = "two one-sided 5 % tests rest on the 90 % interval"
        parts.append(f"the wider 95 % interval reaches beyond the margin, but {tests}")
    parts.append(_bound(equivalence))
    return f"{within(metric_format, equivalence.margin)} ({'; '.join(parts)})"


def voided_text(metric_format: MetricFormat, equivalence: Equivalence) -> str:
    """Return why a difference whose tests passed is not called smaller than the margin."""
    name = "Holm p" if equivalence.family > 1 else "p"
    failed = f"{count(equivalence.failures, 'run')} of the two arms diverged or collapsed"
    claim = within(metric_format, equivalence.margin)
    return f"not called {claim} (equivalence, {name} {p_text(equivalence.p_holm)}), because {failed}"


def _interval_text(metric_format: MetricFormat, equivalence: Equivalence) -> str:
    if equivalence.interval is None:
        return "of the sign test, for the differences are all equal"
    low, high = _rounded(metric_format, equivalence.interval, equivalence.margin)
    whose = "of its Holm step" if equivalence.family > 1 else "of this test"
    return f"{100 * equivalence.coverage:.3g} % CI {whose} {low} to {high}"


def _rounded(metric_format: MetricFormat, ends: tuple[float, float], margin: float) -> list[str]:
    """The ends with as many digits as it takes for rounding not to move them beyond the margin."""
    half = (ends[1] - ends[0]) / 2
    texts: list[str] = []
    for more in range(4):
        texts = [metric_format.digits(end, half / 10**more) for end in ends]
        if max(abs(float(text.replace(",", ""))) for text in texts) <= margin:
            break
    return texts


def _bound(equivalence: Equivalence) -> str:
    """How often the arm may collapse although none of its runs did: the one-sided 95 % Clopper-Pearson bound."""
    if not equivalence.judged:
        return "collapse not judged, as the workload defines no chance level"
    rate = 100 * share_bound(0, equivalence.runs)
    return f"0 of {equivalence.runs} collapsed, rate below {rate:.0f} %"
