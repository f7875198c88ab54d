"""Recompute the tables of the cost."""

from __future__ import annotations

import pandas as pd

from benchmarks.recompute.compare import Columns
from benchmarks.recompute.published import Published


def cost(report: Published, table: pd.DataFrame) -> Columns:
    """Return the columns of the table of the cost, by status or by stage."""
    runs, by = _all_runs(report), table.columns[0]
    hours = next(name for name in table.columns if name.endswith("-hours"))
    groups = [runs if name == "all" else runs[runs[by] == name] for name in table[by]]
    spent = [float(group.seconds.sum()) * _share(report, hours) / 3600 for group in groups]
    complete = [int((group.status == "complete").sum()) for group in groups]
    return {
        ("trials" if by == "status" else "runs"): [len(group) for group in groups],
        "complete": complete,
        "epochs": [int(group["epochs trained"].sum()) for group in groups],
        hours: spent,
        "share": [100 * each / spent[-1] if spent[-1] else None for each in spent],
        "per completed run": [each / number if number else None for each, number in zip(spent, complete, strict=True)],
    }


def _all_runs(report: Published) -> pd.DataFrame:
    """The trials of all stages with their seconds; those of a run from the cache were spent in another study."""
    trials = report.tables["trials"].assign(stage="search") if "trials" in report.tables else pd.DataFrame()
    runs = pd.concat([trials, report.tables.get("replicates", pd.DataFrame())], ignore_index=True).fillna("")
    runs["stage"] = runs.stage.str.replace(r"^retune-.*", "retune", regex=True)
    cached = runs["taken from"] != "" if "taken from" in runs else False
    for name in ("seconds", "epochs trained"):
        runs[name] = pd.to_numeric(runs[name]).fillna(0).mask(cached, 0)
    return runs


def _share(report: Published, unit: str) -> float:
    """The share of the device that each trial had: CPU-hours are those of one core's share."""
    resources = report.study.get("resources") or {}
    share = resources.get("gpu", 1) if unit == "GPU-hours" else 1
    return float(share) if isinstance(share, int | float) else 1.0
