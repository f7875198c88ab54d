"""The data of the evidence's figures, as data frames. Their columns are what the page shows beneath each figure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

import pandas as pd

from sweeps import stats
from sweeps.artifacts.layout import VALIDATION
from sweeps.evidence import Comparison, Effect, Level
from sweeps.evidence.findings import Findings
from sweeps.report.figures.search_data import thinned
from sweeps.report.tables.ablation import effect_name, label, part
from sweeps.report.tables.frames import frame_of
from sweeps.report.tables.levels import same_arm
from sweeps.stats import Paired
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Status

_SEVERITY = re.compile(r"(.*\D)\s*(\d+)")


def differences(findings: Findings) -> pd.DataFrame:
    """Each comparison of the ablation with both intervals, re-tuned ones below their twins; a factorial's effects.

    Columns: arm, pairs, difference, low, high, simultaneous low, simultaneous high, Holm p, verdict. Comparisons below
    two pairs have no interval and are left out.
    """
    found = findings.ablation
    columns = [
        "arm",
        "pairs",
        "difference",
        "low",
        "high",
        "simultaneous low",
        "simultaneous high",
        "Holm p",
        "verdict",
    ]
    if found is None:
        return frame_of([], columns)
    order = [part(one.arm) for one in found.comparisons]
    both = sorted([*found.comparisons, *found.retuned], key=lambda one: [*order, part(one.arm)].index(part(one.arm)))
    compared = [_difference(one, one.paired) for one in both if one.paired]
    return frame_of([*map(_effect, found.effects), *compared], columns)


def pairs(findings: Findings) -> pd.DataFrame:
    """Every pair of the ablation. Columns: arm, against, replicate, reference, value, difference."""
    found = findings.ablation
    rows = [
        (label(one.arm), label(one.reference), pair.replicate, pair.reference, pair.value, pair.value - pair.reference)
        for one in (found.comparisons if found else ())
        for pair in one.pairs
    ]
    return frame_of(rows, ["arm", "against", "replicate", "reference", "value", "difference"])


def interactions(findings: Findings) -> pd.DataFrame:
    """The effects of a factorial as a matrix: main effects on its diagonal, two-way interactions beside it.

    Columns: row, column, effect, estimate, low, high, Holm p. Both halves are listed. Empty for other designs.
    """
    rows = []
    for effect in findings.ablation.effects if findings.ablation else ():
        first, last = effect.components[0], effect.components[-1]
        figures = (effect.estimate.mean, effect.estimate.low, effect.estimate.high, effect.p_holm)
        rows += [(*cell, effect_name(effect), *figures) for cell in dict.fromkeys([(first, last), (last, first)])]
    return frame_of(rows, ["row", "column", "effect", "estimate", "low", "high", "Holm p"])


def path(findings: Findings) -> pd.DataFrame:
    """The steps of a path from the baseline to the incumbent, measured again on fresh seeds.

    Columns: step, from, to, difference, low, high, pairs, verdict; `from` and `to` are levels of the metric, each step
    beginning where the one before ended. Empty for other designs.
    """
    rows: list[tuple[Any, ...]] = []
    columns = ["step", "from", "to", "difference", "low", "high", "pairs", "verdict"]
    if findings.ablation is None or findings.ablation.design != "path":
        return frame_of([], columns)
    at: float | None = None
    for one in steps(findings.ablation.comparisons):
        paired = one.paired
        if paired is None:
            break
        begin = fmean(pair.reference for pair in one.pairs) if at is None else at
        at = begin + paired.mean
        rows.append((label(one.arm), begin, at, paired.mean, paired.low, paired.high, paired.n, one.short))
    return frame_of(rows, columns)


def steps(comparisons: Iterable[Comparison]) -> list[Comparison]:
    """The comparisons of each arm with the one before it, as far as they follow one another."""
    chain: list[Comparison] = []
    for one in comparisons:
        if one.arm.reference == one.reference.name and (not chain or one.reference.name == chain[-1].arm.name):
            chain.append(one)
    return chain


def bands(findings: Findings) -> pd.DataFrame:
    """The metric by epoch and arm over the seeds: of the ablation or, without one, of confirm.

    Columns: arm, epoch, mean, low, high, runs; low and high bound the mean's 95 % t interval. Completed runs alone, up
    to the epoch that all of an arm's have reached; at most `series.MOST_POINTS` epochs.
    """
    stage = next((name for name in ("ablation", "confirm") if name in findings.results.stages), None)
    rows = []
    for arm in findings.results.stages[stage].arms if stage else ():
        rows += _band(findings, str(stage), arm)
    return frame_of(rows, ["arm", "epoch", "mean", "low", "high", "runs"])


def shifts(findings: Findings) -> pd.DataFrame:
    """The arms on every labelled set, validation first. Columns: set, family, severity, arm, mean, low, high, runs.

    Sets that share a name up to a final number ("noise 1", "noise 5") are a family by severity; others have neither.
    """
    columns = ["set", "family", "severity", "arm", "mean", "low", "high", "runs"]
    found = findings.final
    if found is None:
        return frame_of([], columns)
    arms = [level.arm for level in found.sets[0].levels]
    named: list[tuple[str, Sequence[Level]]] = [(VALIDATION, found.validation)]
    named += [(shift.name, shift.levels) for shift in found.sets]
    families = _families([name for name, _ in named])
    rows = []
    for name, levels in named:
        for arm in arms:
            level = same_arm(arm, levels)
            if level is not None and level.mean is not None:
                mean = level.mean
                rows.append((name, *families[name], label(arm), mean.mean, mean.low, mean.high, mean.n))
    return frame_of(rows, columns)


def _families(names: Sequence[str]) -> dict[str, tuple[str | None, int | None]]:
    """The family and the severity of each set; a name that stands alone has neither."""
    split = {name: match for name in names if (match := _SEVERITY.fullmatch(name))}
    stems = [match[1].strip() for match in split.values()]
    known: dict[str, tuple[str | None, int | None]] = dict.fromkeys(names, (None, None))
    several = {name: match for name, match in split.items() if stems.count(match[1].strip()) > 1}
    return known | {name: (match[1].strip(), int(match[2])) for name, match in several.items()}


def _difference(one: Comparison, paired: Paired) -> tuple[Any, ...]:
    spread = (paired.n, paired.mean, paired.low, paired.high, *(one.simultaneous or (None, None)))
    return (label(one.arm), *spread, one.p_holm, one.short)


def _effect(one: Effect) -> tuple[Any, ...]:
    spread = (one.estimate.n, one.estimate.mean, one.estimate.low, one.estimate.high, *one.simultaneous)
    return (effect_name(one), *spread, one.p_holm, one.short)


def _band(findings: Findings, stage: str, arm: Arm) -> list[tuple[Any, ...]]:
    runs = findings.results.stages[stage].replicates(arm).values()
    curves = [run.curve for run in runs if run.status is Status.COMPLETE and run.curve]
    shared = sorted(set.intersection(*(set(curve) for curve in curves))) if curves else []
    rows = []
    for epoch in thinned(shared):
        if (spread := stats.interval([curve[epoch] for curve in curves])) is not None:
            rows.append((label(arm), epoch, spread.mean, spread.low, spread.high, spread.n))
    return rows
