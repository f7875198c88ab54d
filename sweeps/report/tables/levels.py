"""Build the data frames of arms over their seeds: the confirmed configurations, the test set and further sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from sweeps.artifacts.layout import TEST, VALIDATION
from sweeps.evidence import Level
from sweeps.evidence.confirm.confirmation import Confirmation
from sweeps.evidence.confirm.rivals import Rival
from sweeps.evidence.crossed import CrossedSet
from sweeps.evidence.findings import Findings
from sweeps.report.crossed.tables import SUCH, on_test, such, with_accuracies
from sweeps.report.tables.ablation import change, label
from sweeps.report.tables.frames import frame_of
from sweeps.report.tables.interval import Interval, spread
from sweeps.trial.arm import Arm

MOVED = "from validation"
CHOICE = ["after the choice", "seeds after the choice", "from the best", "Holm p", "told apart", "incumbent"]
FAILED = ["diverged", "lost", "collapsed"]
LEVEL = ["arm", "mean", "runs", *FAILED]


def confirmed_table(findings: Findings) -> pd.DataFrame:
    """Return the confirmed configurations, best mean first; empty before confirm has begun.

    Each row has the value of the one run of the search, the mean over the seeds of confirm, that on the test set, and
    the difference from the best mean. The incumbent has its mean over the runs that were made after the choice too.
    """
    confirmation = findings.confirmation
    rivals = {rival.level.arm.name: rival for rival in confirmation.rivals} if confirmation else {}
    rows = []
    for rank, level in enumerate(confirmation.levels if confirmation else (), 1):
        test = same_arm(level.arm, _test_levels(findings))
        searched = confirmation.searched.get(level.arm.name) if confirmation else None
        about = (rank, level.arm.name, searched, spread(level), len(level.values))
        opened = (spread(test), len(test.values)) if test else (None, None)
        counts = (level.arm.cost.get("parameters"), level.arm.cost.get("macs"))
        choice = _choice(confirmation, level, rivals.get(level.arm.name)) if confirmation else ()
        about = (*about, level.diverged, *opened, change(level.arm, "") or None, *counts)
        rows.append((*about, *choice, level.collapsed))
    columns = ["rank", "arm", "search (one run)", "confirmed", "seeds", "diverged", "test", "test seeds"]
    return frame_of(rows, [*columns, "change", "parameters", "macs", *CHOICE, "collapsed"])


def _choice(confirmation: Confirmation, level: Level, rival: Rival | None) -> tuple[Any, ...]:
    """The cells of `CHOICE`: the incumbent's fresh runs, and how a candidate compares with the best mean."""
    chosen = confirmation.complete and level is confirmation.chosen
    fresh = confirmation.fresh if chosen else None
    runs = (spread(fresh), len(fresh.values)) if fresh is not None else (None, None)
    mark = "yes" if chosen else None
    if rival is None or rival.difference is None:
        return (*runs, None, None, None, mark)
    return (*runs, Interval.of(rival.difference.estimate), rival.p_holm, "yes" if rival.apart else "no", mark)


def levels_table(levels: Sequence[Level]) -> pd.DataFrame:
    """Return the mean of each arm over its seeds, with the runs, those that failed and those without a value."""
    return frame_of([(level.arm.name, spread(level), *_runs(level)) for level in levels], LEVEL)


def test_table(findings: Findings) -> pd.DataFrame:
    """Return the arms on the test set beside the same arms on validation data, with the difference of the means.

    Accuracies have both errors: of the seeds, and of seeds and images. Empty while the test set is sealed.
    """
    rows = []
    for level in _test_levels(findings):
        before = same_arm(level.arm, findings.final.validation) if findings.final else None
        about = (level.arm.name, spread(before), spread(level))
        rows.append((*about, moved(before, level), *_runs(level)))
    frame = frame_of(rows, ["arm", VALIDATION, TEST, MOVED, "seeds", *FAILED])
    return with_accuracies(frame, [level.arm.name for level in _test_levels(findings)], on_test(findings), TEST)


def shift_table(findings: Findings) -> pd.DataFrame:
    """Return the means of the arms on every labelled set, validation first, with their differences from validation.

    A row per set and three columns per arm, the last with the interval on such images. Empty where the test set is the
    only set.
    """
    final = findings.final
    if final is None or len(final.sets) < 2:
        return frame_of([], ["set"])
    arms = [level.arm for level in final.sets[0].levels]
    rows = [_shift_row(VALIDATION, arms, (), final.validation, None)]
    rows += [
        _shift_row(one.name, arms, final.validation, one.levels, findings.crossed.get(one.name)) for one in final.sets
    ]
    kinds = ("", f": {MOVED}", f": {SUCH}")
    return frame_of(rows, ["set", *(f"{label(arm)}{kind}" for arm in arms for kind in kinds)])


def shifts_by_row(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table of `shift_table` with a row per set and arm: as narrow with many arms as with one."""
    arms = [str(name) for name in frame.columns[1::3]]
    rows = [
        (row[0], arm, *row[1 + 3 * n : 4 + 3 * n])
        for row in frame.itertuples(index=False)
        for n, arm in enumerate(arms)
    ]
    return frame_of(rows, ["set", "arm", "mean", MOVED, SUCH])


def same_arm(arm: Arm, levels: Sequence[Level]) -> Level | None:
    """Return the level of the same recipe, else of the arm of the same name; None if there is neither.

    The recipe of a final model may differ: it has no validation data, so that early stopping is replaced by a number of
    epochs.
    """
    by_recipe = (level for level in levels if level.arm.recipe == arm.recipe)
    return next(by_recipe, next((level for level in levels if level.arm.name == arm.name), None))


def moved(before: Level | None, after: Level | None) -> float | None:
    """Return the difference of two means, in the metric's units: negative for a drop. None without both."""
    if before is None or after is None or before.center is None or after.center is None:
        return None
    return after.center - before.center


def _shift_row(
    name: str, arms: Sequence[Arm], before: Sequence[Level], levels: Sequence[Level], on_set: CrossedSet | None
) -> tuple[Any, ...]:
    cells: list[Any] = [name]
    for arm in arms:
        level = same_arm(arm, levels)
        accuracy = on_set.accuracies.get(arm.name) if on_set else None
        cells += [spread(level), moved(same_arm(arm, before), level), such(accuracy)]
    return tuple(cells)


def _runs(level: Level) -> tuple[int | None, ...]:
    """The runs with a value, those of them that diverged, the runs without a value, and those that collapsed."""
    return len(level.values), level.diverged, len(level.missing), level.collapsed


def _test_levels(findings: Findings) -> tuple[Level, ...]:
    return findings.final.sets[0].levels if findings.final else ()
