"""Arms against their references, pair by pair, and the families over which they are corrected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sweeps.evidence.level import Level, Missing
from sweeps.evidence.verdict import action, compared, remarks
from sweeps.formatting import MetricFormat
from sweeps.stats import Paired, holm, paired, simultaneous
from sweeps.trial.arm import Arm


@dataclass(frozen=True)
class Pair:
    """The metric of reference and arm in one replicate."""

    replicate: int
    reference: float
    value: float


@dataclass(frozen=True)
class Comparison:
    """An arm against its reference: differences are arm minus reference, in the metric's units.

    `paired` is None below 2 pairs. `p_holm` and the `simultaneous` interval are adjusted over the `family` comparisons
    of the same table that have pairs enough. `diverged` counts the arm's runs. `missing` names the pairs left out.
    `verdict` is the sentence for people, `short` a word or three for a table ("lower", "higher (worse)",
    "inconclusive", "smaller than ±0.5 pp", "lower, smaller than ±0.5 pp", "identical", "one pair", "no pair").
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
    """What the figures of one table share; `first` is the size of Stein's first stage, `components` their order."""

    measure: MetricFormat
    design: str
    margin: float | None = None
    first: int | None = None
    components: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Tested:
    reference: Level
    level: Level
    pairs: tuple[Pair, ...]
    paired: Paired | None


def comparisons(levels: Sequence[Level], terms: Terms) -> tuple[Comparison, ...]:
    """Every level whose reference is among `levels`, corrected as one family (Holm; Bonferroni intervals)."""
    known = {level.arm.name: level for level in levels}
    tested = [_test(known[level.arm.reference], level, terms) for level in levels if level.arm.reference in known]
    p = {one.level.arm.name: one.paired.p for one in tested if one.paired}
    adjusted = dict(zip(p, holm(list(p.values())), strict=True))
    return tuple(_comparison(one, adjusted, terms) for one in tested)


def _test(reference: Level, level: Level, terms: Terms) -> _Tested:
    shared = sorted(reference.values.keys() & level.values.keys())
    pairs = tuple(Pair(n, reference.values[n], level.values[n]) for n in shared)
    first = None if terms.first is None else sum(n < terms.first for n in shared)
    found = paired(
        [pair.reference for pair in pairs],
        [pair.value for pair in pairs],
        margin=terms.margin,
        first=first,
        goal=terms.measure.goal,
    )
    return _Tested(reference, level, pairs, found)


def _comparison(one: _Tested, adjusted: Mapping[str, float], terms: Terms) -> Comparison:
    arm, reference, found = one.level.arm, one.reference.arm, one.paired
    p_holm, family = adjusted.get(arm.name), len(adjusted)
    words = compared(action(arm, reference, terms.design), terms.measure, len(one.pairs), found, p_holm, family)
    missing = left_out((one.reference, one.level))
    after = remarks(
        "replicate",
        arm.note,
        one.level.diverged,
        len(one.level.values) + len(one.level.missing),
        one.reference.diverged,
        [(lost.replicate, lost.why) for lost in missing],
    )
    return Comparison(
        arm=arm,
        reference=reference,
        pairs=one.pairs,
        missing=missing,
        diverged=one.level.diverged,
        paired=found,
        p_holm=p_holm,
        simultaneous=simultaneous(found.estimate, family, found.df) if found else None,
        family=family,
        verdict=words.sentence + after,
        short=words.short,
    )


def left_out(levels: Sequence[Level]) -> tuple[Missing, ...]:
    """The replicates that a missing run of any of these arms has cost, with the arms that lost it."""
    lost: dict[int, list[str]] = {}
    for level in levels:
        for missing in level.missing:
            lost.setdefault(missing.replicate, []).append(f"{level.arm.name}: {missing.why}")
    return tuple(Missing(replicate, "; ".join(whys)) for replicate, whys in sorted(lost.items()))
