"""Whether a difference is smaller than the margin, by Holm's procedure over the tests of one table, and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sweeps.evidence.level import Level
from sweeps.formatting import MetricFormat, count, p_text
from sweeps.stats import ALPHA, Estimate, Looks, Paired, anytime_interval, holm, holm_steps, interval_at, share_bound


@dataclass(frozen=True)
class Margin:
    """A difference or an effect, tested against the margin.

    Attributes:
        estimate: The difference with its interval.
        df: The degrees of freedom of the interval.
        p: The larger p of the two one-sided tests.
        failures: The number of runs behind it that diverged or collapsed.
        runs: The number of runs of an arm.
        judged: Whether runs can collapse: not without a chance level.
    """

    estimate: Estimate
    df: int
    p: float
    failures: int
    runs: int
    judged: bool

    @classmethod
    def of(cls, paired: Paired, reference: Level, level: Level) -> Margin:
        """Return the test of a comparison, whose statistics have a margin."""
        failures, judged = reference.failures + level.failures, level.collapsed is not None
        return cls(paired.estimate, paired.df, paired.equivalence_p or 0.0, failures, len(level.values), judged)


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
        failures: The number of runs of the arms that diverged or collapsed. Any of them voids the claim: a mean over
            seeds hides how often an arm fails.
        runs: The number of runs of the arm; for an effect, of each arm.
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


def equivalences(
    tested: Sequence[Margin], margin: float | None, looks: Looks | None = None
) -> list[Equivalence | None]:
    """Adjust the tests of one family; None for each without a margin.

    Args:
        tested: The tests.
        margin: The largest difference that does not matter.
        looks: The looks at differences that may be looked at after every pair; None with another rule.
    """
    if margin is None:
        return [None] * len(tested)
    p = [one.p for one in tested]
    levels = [2 * ALPHA / step for step in holm_steps(p)]
    intervals = [_interval(one, level, looks) for one, level in zip(tested, levels, strict=True)]
    rows = zip(tested, holm(p), levels, intervals, strict=True)
    return [_equivalence(one, margin, adjusted, 1 - level, ends, len(p)) for one, adjusted, level, ends in rows]


def _equivalence(
    one: Margin, margin: float, p_holm: float, coverage: float, interval: tuple[float, float] | None, family: int
) -> Equivalence:
    return Equivalence(
        margin=margin,
        p=one.p,
        p_holm=p_holm,
        coverage=coverage,
        interval=interval,
        family=family,
        failures=one.failures,
        runs=one.runs,
        judged=one.judged,
    )


def _interval(one: Margin, level: float, looks: Looks | None) -> tuple[float, float] | None:
    """The interval of a Holm step; None where the difference has none, or failures void the claim it would make."""
    estimate = one.estimate
    if not estimate.has_interval or one.failures:
        return None
    if looks is None:
        return interval_at(estimate, level, one.df)
    return anytime_interval(estimate, looks, level / 2, sides=1)


def within(metric_format: MetricFormat, margin: float) -> str:
    """Return the claim in a few words: "smaller than ±0.5 pp"."""
    return f"smaller than ±{margin:g}{' pp' if metric_format.unit else ''}"


def equivalence_text(metric_format: MetricFormat, equivalence: Equivalence, estimate: Estimate) -> str:
    """Return the claim with its p, the interval of its Holm step, and how often the arm may collapse.

    Args:
        metric_format: The format of the metric.
        equivalence: The test.
        estimate: The difference with its 95 % interval.
    """
    name = "Holm p" if equivalence.family > 1 else "p"
    parts = [f"equivalence, {name} {p_text(equivalence.p_holm)}, {_interval_text(metric_format, equivalence)}"]
    if estimate.has_interval and max(-estimate.low, estimate.high) > equivalence.margin:
        tests = "two one-sided 5 % tests rest on the 90 % interval"
        parts.append(f"the wider 95 % interval reaches beyond the margin, but {tests}")
    parts.append(_bound(equivalence))
    return f"{within(metric_format, equivalence.margin)} ({'; '.join(parts)})"


def voided_text(metric_format: MetricFormat, equivalence: Equivalence) -> str:
    """Return why a difference whose tests passed is not called smaller than the margin."""
    name = "Holm p" if equivalence.family > 1 else "p"
    failed = f"{count(equivalence.failures, 'run')} of the arms diverged or collapsed"
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
        return "collapse not judged, as no chance level is known"
    rate = 100 * share_bound(0, equivalence.runs)
    return f"0 of {equivalence.runs} collapsed, rate below {rate:.0f} %"
