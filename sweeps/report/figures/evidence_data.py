"""Compute the data of the figures of later stages, as data frames. The page shows them below each figure."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

import pandas as pd

from sweeps import stats
from sweeps.artifacts.layout import ABLATION, CONFIRM, VALIDATION
from sweeps.evidence import Comparison, Effect, Level
from sweeps.evidence.findings import Findings
from sweeps.evidence.verdict import PATH
from sweeps.formatting import MetricFormat
from sweeps.report.figures.search_data import thinned
from sweeps.report.tables.ablation import crossing, effect_name, label, part
from sweeps.report.tables.frames import frame_of, missing
from sweeps.report.tables.levels import same_arm
from sweeps.stats import Estimate, Paired
from sweeps.storage.results import StageResults
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Status

# A name that ends with a number: the severity of a corruption.
_SEVERITY = re.compile(r"(.*\D)\s*(\d+)")
IMPUTED = "imputed"
DIFFERENCES = (
    "arm",
    "pairs",
    "difference",
    "low",
    "high",
    "simultaneous low",
    "simultaneous high",
    "equivalence low",
    "equivalence high",
    "Holm p",
    "verdict",
)


def differences(findings: Findings) -> pd.DataFrame:
    """Return the comparisons of the ablation or the effects of a factorial, with both intervals.

    Returns:
        The columns DIFFERENCES. A re-tuned arm follows its twin. Comparisons below two pairs have no interval and are
        left out. The equivalence interval is that of the Holm step, which lies within the margin exactly if the
        difference is called smaller.
    """
    ablation = findings.ablation
    if ablation is None:
        return frame_of([], DIFFERENCES)
    order = [part(one.arm) for one in ablation.comparisons]
    twins_together = sorted(
        [*ablation.comparisons, *ablation.retuned], key=lambda one: [*order, part(one.arm)].index(part(one.arm))
    )
    compared = [_difference(one, one.paired) for one in twins_together if one.paired]
    return frame_of([*map(_effect, ablation.effects), *compared], DIFFERENCES)


def pairs(findings: Findings) -> pd.DataFrame:
    """Return every pair of the ablation.

    Returns:
        The columns arm, against, replicate, reference, value and difference; and imputed where a run diverged: which of
        the two counts at chance level, "arm", "reference" or "both".
    """
    stage = findings.results.stages.get(ABLATION)
    rows: list[tuple[Any, ...]] = []
    for one in findings.ablation.comparisons if findings.ablation and stage else ():
        arms, references = _imputed(stage, one.arm), _imputed(stage, one.reference)
        for pair in one.pairs:
            of_arm, of_reference = pair.replicate in arms, pair.replicate in references
            which = "both" if of_arm and of_reference else "arm" if of_arm else "reference" if of_reference else None
            about = (label(one.arm), label(one.reference), pair.replicate)
            rows.append((*about, pair.reference, pair.value, pair.value - pair.reference, which))
    frame = frame_of(rows, ["arm", "against", "replicate", "reference", "value", "difference", IMPUTED])
    return frame if frame[IMPUTED].notna().any() else frame.drop(columns=IMPUTED)


def imputed_ends(row: Mapping[Hashable, Any]) -> tuple[bool, bool]:
    """Return whether the reference and the arm of a pair count at chance level, because their runs diverged."""
    which = row.get(IMPUTED)
    return which in ("reference", "both"), which in ("arm", "both")


def interactions(findings: Findings) -> pd.DataFrame:
    """Return the effects of a factorial as a symmetric matrix: main effects on the diagonal, interactions beside it.

    Returns:
        The columns row, column, effect, estimate, low, high, Holm p and aliased with: the effects that share the
        estimate in a fraction. Each of them has its own cells, with its own sign. Empty for other designs.
    """
    rows: list[tuple[Any, ...]] = []
    for effect in findings.ablation.effects if findings.ablation else ():
        own = (":".join(effect.components), *effect.aliases)
        for name, parts in zip(own, (effect.components, *map(_parts, effect.aliases)), strict=True):
            factor = -1 if name.startswith("-") and parts is not effect.components else 1
            ends = sorted(factor * end for end in _ends(effect.estimate) if end is not None) or (None, None)
            aliased = crossing(", ".join(other.removeprefix("-") for other in own if other != name)) or None
            values = (" × ".join(parts), factor * effect.estimate.mean, *ends, effect.p_holm, aliased)
            cells = dict.fromkeys([(parts[0], parts[-1]), (parts[-1], parts[0])])
            rows += [(*cell, *values) for cell in cells]
    return frame_of(rows, ["row", "column", "effect", "estimate", "low", "high", "Holm p", "aliased with"])


def path(findings: Findings) -> pd.DataFrame:
    """Return the steps of a path from the baseline to the incumbent, measured on fresh seeds.

    Returns:
        The columns step, from, to, difference, low, high, pairs, verdict. `from` and `to` are values of the metric; a
        step begins where the one before it ended. Empty for other designs.
    """
    rows: list[tuple[Any, ...]] = []
    columns = ["step", "from", "to", "difference", "low", "high", "pairs", "verdict"]
    if findings.ablation is None or findings.ablation.design != PATH:
        return frame_of([], columns)
    end: float | None = None
    for one in steps(findings.ablation.comparisons):
        paired = one.paired
        if paired is None:
            break
        begin = fmean(pair.reference for pair in one.pairs) if end is None else end
        end = begin + paired.mean
        rows.append((label(one.arm), begin, end, paired.mean, *_ends(paired.estimate), paired.n, one.short))
    return frame_of(rows, columns)


def waterfall_range(rows: pd.DataFrame, words: MetricFormat) -> tuple[float, float]:
    """Return the range of a waterfall's axis, with room around bars and whiskers but never beyond the metric's own.

    Args:
        rows: The data of `path`.
        words: The format of the metric; a percentage lies from 0 to 100.
    """
    known = rows[~rows["low"].map(missing)].to_dict("records")  # two runs or equal ones have no interval
    ends = [*rows["from"], *rows["to"], *(row["from"] + row[end] for row in known for end in ("low", "high"))]
    room = 0.15 * ((max(ends) - min(ends)) or abs(max(ends)) or 1.0)
    low, high = min(ends) - 2 * room, max(ends) + room
    return (max(low, 0.0), min(high, 100.0)) if words.unit else (low, high)


def steps(comparisons: Iterable[Comparison]) -> list[Comparison]:
    """Return the comparisons that form a chain, each arm being the reference of the next."""
    chain: list[Comparison] = []
    for one in comparisons:
        if one.arm.reference == one.reference.name and (not chain or one.reference.name == chain[-1].arm.name):
            chain.append(one)
    return chain


def mean_curves(findings: Findings) -> pd.DataFrame:
    """Return the mean metric over the seeds by arm and epoch, of the ablation or, without one, of confirm.

    Returns:
        The columns arm, epoch, mean, low, high, runs, with the mean's 95 % t interval, which two runs or equal ones do
        not have. The runs are the completed ones, up to the last epoch that all of an arm's have. At most
        `search_data.MOST_POINTS` epochs.
    """
    stages = findings.results.stages
    stage = next((stages[name] for name in (ABLATION, CONFIRM) if name in stages and stages[name].arms), None)
    rows = []
    for arm in stage.arms if stage else ():
        runs = stage.replicates(arm).values() if stage else ()
        rows += _mean_curve(arm, [run.curve for run in runs if run.status is Status.COMPLETE and run.curve])
    return frame_of(rows, ["arm", "epoch", "mean", "low", "high", "runs"])


def labelled_sets(findings: Findings) -> pd.DataFrame:
    """Return the means of the arms on every labelled set, validation first.

    Returns:
        The columns set, family, severity, arm, mean, low, high, runs. Sets whose names differ in a final number only
        ("noise 1", "noise 5") are a family by severity; others have neither.
    """
    columns = ["set", "family", "severity", "arm", "mean", "low", "high", "runs"]
    final = findings.final
    if final is None:
        return frame_of([], columns)
    arms = [level.arm for level in final.sets[0].levels]
    by_set: list[tuple[str, Sequence[Level]]] = [(VALIDATION, final.validation)]
    by_set += [(labelled.name, labelled.levels) for labelled in final.sets]
    families = _families([name for name, _ in by_set])
    rows = []
    for name, levels in by_set:
        for arm in arms:
            level = same_arm(arm, levels)
            if level is not None and len(level.values) > 1:
                runs, ends = len(level.values), _ends(level.mean)
                rows.append((name, *families[name], label(arm), level.center, *ends, runs))
    return frame_of(rows, columns)


def set_places(names: Sequence[str], family: dict[str, Any]) -> dict[str, float]:
    """Return the place of each labelled set: a step apart, and more before each family and each set without one.

    Args:
        names: The sets in their order.
        family: The family of each set; None for a set without one.
    """
    places: dict[str, float] = {}
    at, before = 0.0, None
    for name in names:
        at += 0.0 if not places else 1.0 if family[name] == before and family[name] is not None else 1.6
        places[name], before = at, family[name]
    return places


def family_centres(names: Sequence[str], family: dict[str, Any], place: dict[str, float]) -> list[tuple[str, float]]:
    """Return each family with the middle of the places of its sets."""
    stems = dict.fromkeys(family[name] for name in names if family[name] is not None)
    members = {stem: [place[name] for name in names if family[name] == stem] for stem in stems}
    return [(stem, (min(at) + max(at)) / 2) for stem, at in members.items()]


def with_gaps(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with an empty one wherever the family changes, at which a line is interrupted."""
    empty: dict[Hashable, Any] = dict.fromkeys(rows.columns)
    spaced: list[dict[Hashable, Any]] = []
    for row in rows.to_dict("records"):
        if spaced and (row["family"] is None or row["family"] != spaced[-1]["family"]):
            spaced.append(empty)
        spaced.append(row)
    return pd.DataFrame(spaced, columns=rows.columns, dtype=object)


def _families(names: Sequence[str]) -> dict[str, tuple[str | None, int | None]]:
    """The family and the severity of each set; a set without another of its family has neither."""
    split = {name: match for name in names if (match := _SEVERITY.fullmatch(name))}
    stems = [match[1].strip() for match in split.values()]
    families: dict[str, tuple[str | None, int | None]] = dict.fromkeys(names, (None, None))
    several = {name: match for name, match in split.items() if stems.count(match[1].strip()) > 1}
    return families | {name: (match[1].strip(), int(match[2])) for name, match in several.items()}


def _imputed(stage: StageResults | None, arm: Arm) -> set[int]:
    """The replicates of an arm whose runs diverged and count at chance level."""
    return {place for place, run in stage.replicates(arm).items() if run.imputed} if stage else set()


def _parts(alias: str) -> tuple[str, ...]:
    """The components of an alias: "-c:d" has c and d."""
    return tuple(alias.removeprefix("-").split(":"))


def _difference(one: Comparison, paired: Paired) -> tuple[Any, ...]:
    return (label(one.arm), paired.n, *_intervals(one, paired.estimate), one.p_holm, one.short)


def _effect(one: Effect) -> tuple[Any, ...]:
    return (effect_name(one), one.estimate.n, *_intervals(one, one.estimate), one.p_holm, one.short)


def _intervals(one: Comparison | Effect, estimate: Estimate) -> tuple[float | None, ...]:
    """The difference with its interval, its simultaneous one and that of its equivalence test."""
    equivalence = (one.equivalence.interval if one.equivalence else None) or (None, None)
    return (estimate.mean, *_ends(estimate), *(one.simultaneous or (None, None)), *equivalence)


def _ends(estimate: Estimate | None) -> tuple[float | None, float | None]:
    """The ends of an interval; None for both without one."""
    return (estimate.low, estimate.high) if estimate is not None and estimate.has_interval else (None, None)


def _mean_curve(arm: Arm, curves: Sequence[Mapping[int, float]]) -> list[tuple[Any, ...]]:
    shared = sorted(set.intersection(*(set(curve) for curve in curves))) if curves else []
    rows = []
    for epoch in thinned(shared):
        values = [curve[epoch] for curve in curves]
        if len(values) > 1:
            rows.append((label(arm), epoch, fmean(values), *_ends(stats.interval(values)), len(values)))
    return rows
