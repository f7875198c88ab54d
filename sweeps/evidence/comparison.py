"""Compare arms with their references, pair by pair, and correct each table of comparisons as one family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sweeps.evidence.equivalence import Equivalence, Margin, equivalences
from sweeps.evidence.level import Level, Missing
from sweeps.evidence.verdict import action, before_first_look, compared, remarks, without_failures
from sweeps.formatting import MetricFormat
from sweeps.stats import ALPHA, Looks, Paired, anytime_interval, anytime_paired, holm, paired, simultaneous
from sweeps.trial.arm import Arm


@dataclass(frozen=True)
class Pair:
    """The metric of the reference and of the arm in one replicate."""

    replicate: int
    reference: float
    value: float


@dataclass(frozen=True)
class Comparison:
    """An arm against its reference. Differences are arm minus reference, in the metric's units.

    Attributes:
        arm: The arm.
        reference: The arm that it is compared with.
        pairs: The replicates in which both arms have a value.
        missing: The replicates that are left out, with the reason.
        diverged: The number of the arm's runs that diverged.
        paired: The paired statistics; None below 2 pairs.
        p_holm: The p of the paired t test, adjusted over the family (Holm).
        simultaneous: The interval of the difference, adjusted over the family (Bonferroni); None without an interval.
        family: The number of comparisons of the same table that have at least 2 pairs.
        verdict: The result as a sentence.
        short: The result in a few words, for a table: "lower", "higher (worse)", "inconclusive", "smaller than
            ±0.5 pp", "lower, smaller than ±0.5 pp", "identical", "one pair" or "no pair".
        collapsed: The number of the arm's runs that collapsed; None where no chance level is known.
        sign_flip_holm: The p of the sign-flip test, adjusted over the family (Holm); None with an anytime interval, for
            it holds for a fixed number only.
        equivalence: The test against the margin, adjusted over the family; None without a margin or below 2 pairs.
        unbroken: The statistics of the pairs in which neither run diverged or collapsed; None where none did, or below
            2 such pairs.
    """

    arm: Arm
    reference: Arm
    pairs: tuple[Pair, ...]
    missing: tuple[Missing, ...]
    diverged: int
    paired: Paired | None
    p_holm: float | None
    simultaneous: tuple[float, float] | None
    family: int
    verdict: str
    short: str
    collapsed: int | None = None
    sign_flip_holm: float | None = None
    equivalence: Equivalence | None = None
    unbroken: Paired | None = None


@dataclass(frozen=True)
class Terms:
    """What the comparisons of one table share.

    Attributes:
        metric_format: The format of the metric.
        design: The design of the ablation.
        margin: The largest difference that does not matter, in the metric's units; None for no equivalence test.
        first: The number of replicates in Stein's first stage; None with a fixed number of seeds.
        components: The components in the order of the study file.
        looks: The looks at comparisons that may be looked at after every pair; None with another rule.
        resolution: The step to which the metric of a run is rounded; None if it is not known.
    """

    metric_format: MetricFormat
    design: str
    margin: float | None = None
    first: int | None = None
    components: tuple[str, ...] = ()
    looks: Looks | None = None
    resolution: float | None = None


@dataclass(frozen=True)
class _Tested:
    reference: Level
    level: Level
    pairs: tuple[Pair, ...]
    paired: Paired | None
    unbroken: Paired | None


@dataclass(frozen=True)
class _Adjusted:
    """What a comparison of two pairs or more gets from its family."""

    p_holm: float
    sign_flip_holm: float
    equivalence: Equivalence | None


def comparisons(levels: Sequence[Level], terms: Terms) -> tuple[Comparison, ...]:
    """Compare every level with its reference and correct over all of them (Holm's p, Bonferroni's intervals).

    Args:
        levels: The arms of one table. Arms whose reference is not among them are left out.
        terms: What the comparisons share.
    """
    by_name = {level.arm.name: level for level in levels}
    both = [(by_name[level.arm.reference], level) for level in levels if level.arm.reference in by_name]
    # A comparison below two pairs, or before its first look, has no p, and makes no correction of others stricter.
    least = terms.looks.first if terms.looks else 2
    family = sum(len(reference.values.keys() & level.values.keys()) >= least for reference, level in both)
    tested = [_test(reference, level, terms, family) for reference, level in both]
    adjusted = _adjusted(tested, terms)
    return tuple(_comparison(one, adjusted.get(one.level.arm.name), family, terms) for one in tested)


def left_out(levels: Sequence[Level]) -> tuple[Missing, ...]:
    """Return the replicates in which any of these arms has no value, with the arms that miss it and the reasons."""
    reasons: dict[int, list[str]] = {}
    for level in levels:
        for missing in level.missing:
            reasons.setdefault(missing.replicate, []).append(f"{level.arm.name}: {missing.why}")
    return tuple(Missing(replicate, "; ".join(whys)) for replicate, whys in sorted(reasons.items()))


def _test(reference: Level, level: Level, terms: Terms, family: int) -> _Tested:
    shared = sorted(reference.values.keys() & level.values.keys())
    pairs = tuple(Pair(n, reference.values[n], level.values[n]) for n in shared)
    broken = reference.broken | level.broken
    unbroken = [pair for pair in pairs if pair.replicate not in broken]
    without = _paired(unbroken, terms, family) if len(unbroken) < len(pairs) else None
    return _Tested(reference, level, pairs, _paired(pairs, terms, family), without)


def _paired(pairs: Sequence[Pair], terms: Terms, family: int) -> Paired | None:
    # A lost run of the first stage leaves fewer pairs, from which Stein's variance is then estimated.
    first = None if terms.first is None else sum(pair.replicate < terms.first for pair in pairs)
    fixed = paired(
        [pair.reference for pair in pairs],
        [pair.value for pair in pairs],
        margin=terms.margin,
        first=first,
        goal=terms.metric_format.goal,
        resolution=terms.resolution,
        family=family,
    )
    return _after_looks(fixed, terms.looks, family)


def _after_looks(fixed: Paired | None, looks: Looks | None, family: int) -> Paired | None:
    """The statistics that allow for a look after every pair; None before the first look."""
    if fixed is None or looks is None:
        return fixed
    return anytime_paired(fixed, looks, family) if fixed.n >= looks.first else None


def _adjusted(tested: Sequence[_Tested], terms: Terms) -> dict[str, _Adjusted]:
    """Correct the p-values of each kind over the comparisons that have one, by arm."""
    members = [(one.paired, one.reference, one.level) for one in tested if one.paired]
    p = holm([statistics.p for statistics, _, _ in members])
    flips = holm([statistics.sign_flip_p for statistics, _, _ in members])
    within = equivalences([Margin.of(*member) for member in members], terms.margin, terms.looks)
    rows = zip(members, p, flips, within, strict=True)
    return {level.arm.name: _Adjusted(own, flip, near) for (_, _, level), own, flip, near in rows}


def _comparison(one: _Tested, adjusted: _Adjusted | None, family: int, terms: Terms) -> Comparison:
    arm, reference, statistics = one.level.arm, one.reference.arm, one.paired
    p_holm = adjusted.p_holm if adjusted else None
    equivalence = adjusted.equivalence if adjusted else None
    bounded = statistics is not None and statistics.estimate.has_interval
    beginning = action(arm, reference, terms.design)
    verdict = compared(beginning, terms.metric_format, len(one.pairs), statistics, p_holm, family, equivalence)
    if statistics is None and terms.looks is not None and one.pairs:
        verdict = before_first_look(beginning, len(one.pairs), terms.looks.first)
    missing = left_out((one.reference, one.level))
    return Comparison(
        arm=arm,
        reference=reference,
        pairs=one.pairs,
        missing=missing,
        diverged=one.level.diverged,
        paired=statistics,
        p_holm=p_holm,
        simultaneous=_simultaneous(statistics, family, terms.looks) if statistics and bounded else None,
        family=family,
        verdict=verdict.sentence + _remarks(one, missing, terms),
        short=verdict.short,
        collapsed=one.level.collapsed,
        sign_flip_holm=adjusted.sign_flip_holm if adjusted and terms.looks is None else None,
        equivalence=equivalence,
        unbroken=one.unbroken,
    )


def _simultaneous(statistics: Paired, family: int, looks: Looks | None) -> tuple[float, float]:
    if looks is not None:
        return anytime_interval(statistics.estimate, looks, ALPHA / family)
    return simultaneous(statistics.estimate, family, statistics.df)


def _remarks(one: _Tested, missing: Sequence[Missing], terms: Terms) -> str:
    """The sentences that follow the verdict."""
    left = remarks(
        "replicate",
        one.level.arm.note,
        (one.level.imputed, one.level.collapsed or 0),
        len(one.level.values) + len(one.level.missing),
        (one.reference.imputed, one.reference.collapsed or 0),
        [(lost.replicate, lost.why) for lost in missing],
    )
    whole, unbroken = (each.estimate if each else None for each in (one.paired, one.unbroken))
    return left + without_failures(terms.metric_format, whole, unbroken)
