"""Columns and data frames of the accuracies and differences over seeds and images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from sweeps.artifacts.layout import TEST
from sweeps.evidence import Comparison
from sweeps.evidence.crossed import CrossedSet, SetAccuracy, SetDifference
from sweeps.evidence.findings import Findings
from sweeps.report.tables.frames import frame_of
from sweeps.report.tables.interval import Interval

SPREAD, SUCH, RESTS, CROSSED_P = "spread over seeds", "on such images", "rests on", "p on such images"
NAMES = ("accuracies", "crossed_differences")  # of the files with the data
ACCURACIES = [
    *("set", "arm", "seeds", "images", "mean", SPREAD, "low over seeds", "high over seeds"),
    *("low on such images", "high on such images", "share of seeds", RESTS),
]
DIFFERENCES = [
    *("set", "arm", "against", "pairs", "images", "differing images", "difference"),
    *("low on such images", "high on such images", "p", "Holm p", "share of seeds"),
]
_SPREAD_NOTE = " Spread: the standard deviation over seeds on these very images."
_SUCH_NOTE = (
    " On such images: the 95 % interval for accuracy over fresh seeds and fresh images of the same kind; the last "
    "column says what it rests on."
)
DIFFERENCE_NOTE = (
    " On such images: the 95 % interval and the p by Holm over fresh seeds and fresh images (crossed), of a harder "
    "question than the paired test by seed, which decides."
)


def with_accuracies(frame: pd.DataFrame, arms: Sequence[str], on_set: CrossedSet | None, after: str) -> pd.DataFrame:
    """Return the table of levels on a set with the columns of both errors after the column `after`.

    Args:
        frame: One row per arm.
        arms: The names of the arms in the order of the rows.
        on_set: The evidence over seeds and images; None leaves the frame as it is.
        after: The column with the mean.
    """
    if on_set is None:
        return frame
    found = [on_set.accuracies.get(name) for name in arms]
    columns: dict[str, list[Any]] = {
        SPREAD: [one.sd if one else None for one in found],
        SUCH: [such(one) for one in found],
        "images": [one.images if one else None for one in found],
        RESTS: [str(one.basis) if one else None for one in found],
    }
    return _inserted(frame, {SPREAD: columns.pop(SPREAD), SUCH: columns.pop(SUCH)}, after).assign(
        **{name: pd.Series(values, dtype=object) for name, values in columns.items()}
    )


def note(on_set: CrossedSet | None) -> str:
    """Return what the columns of `with_accuracies` mean, without those that have no figure and are not shown."""
    found = list(on_set.accuracies.values()) if on_set else []
    spread = _SPREAD_NOTE if any(one.sd is not None for one in found) else ""
    return spread + (_SUCH_NOTE if any(one.such is not None for one in found) else "")


def with_differences(frame: pd.DataFrame, comparisons: Sequence[Comparison], on_set: CrossedSet | None) -> pd.DataFrame:
    """Return the table of comparisons with the crossed interval and p; unchanged where no comparison has them."""
    if on_set is None or not on_set.differences:
        return frame
    found = [on_set.differences.get(one.arm.name) for one in comparisons]
    intervals = [Interval(None, one.low, one.high) if one else None for one in found]
    return _inserted(frame, {SUCH: intervals, CROSSED_P: [one.p_holm if one else None for one in found]}, "Holm p")


def such(accuracy: SetAccuracy | None) -> Interval | None:
    """Return the interval for accuracy on such images; None where it is not known."""
    return None if accuracy is None or accuracy.such is None else Interval(None, *accuracy.such)


def crossed_frames(findings: Findings) -> dict[str, pd.DataFrame]:
    """Return the data behind these columns, for every labelled set: the accuracies and, if any, the differences."""
    sets: Mapping[str, CrossedSet] = findings.crossed
    accuracies = [_accuracy(name, one) for name, on_set in sets.items() for one in on_set.accuracies.values()]
    differences = [_difference(name, one) for name, on_set in sets.items() for one in on_set.differences.values()]
    rows = {NAMES[0]: (accuracies, ACCURACIES), NAMES[1]: (differences, DIFFERENCES)}
    return {name: frame_of(found, columns) for name, (found, columns) in rows.items() if found}


def accuracy_formats(shown: Callable[[Any], str]) -> dict[str, Callable[[Any], str]]:
    """Return the formats of the columns of `with_accuracies`; `shown` is that of a value with its interval."""
    return {SPREAD: lambda sd: f"{sd:.2f} pp", SUCH: shown, "images": lambda number: f"{number:,}", RESTS: str}


def on_test(findings: Findings) -> CrossedSet | None:
    """Return the evidence over seeds and images on the test set; None while it is sealed."""
    return findings.crossed.get(TEST)


def _accuracy(set_name: str, one: SetAccuracy) -> tuple[Any, ...]:
    seeds = (one.seeds.low, one.seeds.high) if one.seeds else (None, None)
    ends = one.such or (None, None)
    about = (set_name, one.arm.name, one.n, one.images, one.mean, one.sd)
    return (*about, *seeds, *ends, one.seed_share, str(one.basis))


def _difference(set_name: str, one: SetDifference) -> tuple[Any, ...]:
    about = (set_name, one.arm.name, one.reference.name, one.n, one.images, one.differing)
    return (*about, one.mean, one.low, one.high, one.p, one.p_holm, one.seed_share)


def _inserted(frame: pd.DataFrame, columns: Mapping[str, Sequence[Any]], after: str) -> pd.DataFrame:
    """A copy of `frame` with further columns behind the column `after`."""
    copy = frame.copy()
    for place, (name, values) in enumerate(columns.items(), list(frame.columns).index(after) + 1):
        copy.insert(place, name, pd.Series(list(values), index=frame.index, dtype=object))
    return copy
