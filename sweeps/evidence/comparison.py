"""Compare arms with their references, pair by pair, and correct each table of comparisons as one family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sweeps.evidence.level import Level, Missing
from sweeps.evidence.verdict import action, before_first_look, compared, remarks
from sweeps.formatting import MetricFormat
from sweeps.stats import Looks, Paired, anytime_paired, anytime_simultaneous, holm, paired, simultaneous
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
        simultaneous: The interval of the difference, adjusted over the family (Bonferroni).
        family: The number of comparisons of the same table that have at least 2 pairs.
        verdict: The result as a sentence.
        short: The result in a few words, for a table: "lower", "higher (worse)", "inconclusive", "smaller than
            ±0.5 pp", "lower, smaller than ±0.5 pp", "identical", "one pair" or "no pair".
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
    """

    metric_format: MetricFormat
    design: str
    margin: float | None = None
    first: int | None = None
    components: tuple[str, ...] = ()
    looks: Looks | None = None


@dataclass(frozen=True)
class _Tested:
    reference: Level
    level: Level
    pairs: tuple[Pair, ...]
    paired: Paired | None


def comparisons(levels: Sequence[Level], terms: Terms) -> tuple[Comparison, ...]:
    """Compare every level with its reference and correct over all of them (Holm's p, Bonferroni's intervals).

    Args:
        levels: The arms of one table. Arms whose reference is not among them are left out.
        terms: What the comparisons share.
    """
    by_name = {level.arm.name: level for level in levels}
    compared = [level for level in levels if level.arm.reference in by_name]
    tested = [_test(by_name[level.arm.reference], level, terms, len(compared)) for level in compared]
    # A comparison without two pairs has no p, and does not make the correction of the others stricter.
    p = {one.level.arm.name: one.paired.p for one in tested if one.paired}
    adjusted = dict(zip(p, holm(list(p.values())), strict=True))
    return tuple(_comparison(one, adjusted, terms) for one in tested)


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
    # A lost run of the first stage leaves fewer pairs, from which Stein's variance is then estimated.
    first = None if terms.first is None else sum(n < terms.first for n in shared)
    statistics = paired(
        [pair.reference for pair in pairs],
        [pair.value for pair in pairs],
        margin=terms.margin,
        first=first,
        goal=terms.metric_format.goal,
    )
    return _Tested(reference, level, pairs, _after_looks(statistics, terms.looks, family))


def _after_looks(fixed: Paired | None, looks: Looks | None, family: int) -> Paired | None:
    """The statistics that allow for a look after every pair; None before the first look."""
    if fixed is None or looks is None:
        return fixed
    return anytime_paired(fixed, looks, family) if fixed.n >= looks.first else None


def _comparison(one: _Tested, adjusted: Mapping[str, float], terms: Terms) -> Comparison:
    arm, reference, statistics = one.level.arm, one.reference.arm, one.paired
    p_holm, family = adjusted.get(arm.name), len(adjusted)
    beginning = action(arm, reference, terms.design)
    verdict = compared(beginning, terms.metric_format, len(one.pairs), statistics, p_holm, family)
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
        simultaneous=_simultaneous(statistics, family, terms.looks) if statistics else None,
        family=family,
        verdict=verdict.sentence + _remarks(one, missing),
        short=verdict.short,
    )


def _simultaneous(statistics: Paired, family: int, looks: Looks | None) -> tuple[float, float]:
    if looks is not None:
        return anytime_simultaneous(statistics.mean, statistics.sd, statistics.n, looks, family)
    return simultaneous(statistics.estimate, family, statistics.df)


def _remarks(one: _Tested, missing: Sequence[Missing]) -> str:
    """The sentences that follow the verdict."""
    return remarks(
        "replicate",
        one.level.arm.note,
        one.level.diverged,
        len(one.level.values) + len(one.level.missing),
        one.reference.diverged,
        [(lost.replicate, lost.why) for lost in missing],
    )
