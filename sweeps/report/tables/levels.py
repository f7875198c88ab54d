"""Arms over their seeds as data frames: the confirmed configurations, the test set, and the sets beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from sweeps.artifacts.layout import TEST, VALIDATION
from sweeps.evidence import Level
from sweeps.evidence.findings import Findings
from sweeps.report.tables.ablation import change, label
from sweeps.report.tables.frames import frame_of
from sweeps.report.tables.interval import Interval
from sweeps.trial.arm import Arm

MOVED = "from validation"
LEVEL = ["arm", "mean", "runs", "diverged", "lost"]


def confirmed_table(findings: Findings) -> pd.DataFrame:
    """The confirmed configurations, best mean first: the search's one run, the mean over seeds, then the test set.

    Empty before confirm has begun.
    """
    found = findings.confirmation
    columns = ["rank", "arm", "search (one run)", "confirmed", "seeds", "diverged", "test", "test seeds"]
    if found is None:
        return frame_of([], [*columns, "change", "parameters", "macs"])
    rows = []
    for rank, level in enumerate(found.levels, 1):
        test = same_arm(level.arm, _test_levels(findings))
        about = (rank, level.arm.name, found.searched.get(level.arm.name), Interval.of(level.mean), len(level.values))
        opened = (Interval.of(test.mean), len(test.values)) if test else (None, None)
        cost = level.arm.cost
        rows.append(
            (*about, level.diverged, *opened, change(level.arm) or None, cost.get("parameters"), cost.get("macs"))
        )
    return frame_of(rows, [*columns, "change", "parameters", "macs"])


def levels_table(levels: Sequence[Level]) -> pd.DataFrame:
    """Each arm by itself: its mean over seeds with the interval, runs, how many diverged, how many a machine lost."""
    rows = [
        (level.arm.name, Interval.of(level.mean), len(level.values), level.diverged, len(level.missing))
        for level in levels
    ]
    return frame_of(rows, LEVEL)


def test_table(findings: Findings) -> pd.DataFrame:
    """The arms on the sealed test set beside what validation had said of them, and how far apart the two means are.

    Empty while the test set is sealed.
    """
    rows = []
    for level in _test_levels(findings):
        before = same_arm(level.arm, findings.final.validation) if findings.final else None
        about = (level.arm.name, Interval.of(before.mean) if before else None, Interval.of(level.mean))
        rows.append((*about, moved(before, level), len(level.values), level.diverged, len(level.missing)))
    return frame_of(rows, ["arm", VALIDATION, TEST, MOVED, "seeds", "diverged", "lost"])


def shift_table(findings: Findings) -> pd.DataFrame:
    """Each labelled set, validation first, by arm: the mean with its interval, and how far that is from validation.

    A row per set, two columns per arm. Empty where the test set alone was measured.
    """
    found = findings.final
    if found is None or len(found.sets) < 2:
        return frame_of([], ["set"])
    arms = [level.arm for level in found.sets[0].levels]
    rows = [_shift_row(VALIDATION, arms, (), found.validation)]
    rows += [_shift_row(shift.name, arms, found.validation, shift.levels) for shift in found.sets]
    return frame_of(rows, ["set", *(name for arm in arms for name in (label(arm), f"{label(arm)}: {MOVED}"))])


def same_arm(arm: Arm, levels: Sequence[Level]) -> Level | None:
    """The level of the same recipe, else of the same name: early stopping's epochs are settled before the test set."""
    by_recipe = (level for level in levels if level.arm.recipe == arm.recipe)
    return next(by_recipe, next((level for level in levels if level.arm.name == arm.name), None))


def moved(before: Level | None, after: Level | None) -> float | None:
    """The mean of an arm minus what it was before, in the metric's units: negative for a drop."""
    if before is None or after is None or before.mean is None or after.mean is None:
        return None
    return after.mean.mean - before.mean.mean


def _shift_row(name: str, arms: Sequence[Arm], before: Sequence[Level], levels: Sequence[Level]) -> tuple[Any, ...]:
    cells: list[Any] = [name]
    for arm in arms:
        level = same_arm(arm, levels)
        cells += [Interval.of(level.mean) if level else None, moved(same_arm(arm, before), level)]
    return tuple(cells)


def _test_levels(findings: Findings) -> tuple[Level, ...]:
    return findings.final.sets[0].levels if findings.final else ()
