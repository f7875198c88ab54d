"""Recompute all tables of a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import pandas as pd

from benchmarks.recompute import classes, comparisons, cost, levels
from benchmarks.recompute.compare import (
    ANYTIME,
    NOT_PUBLISHED,
    Columns,
    Verdict,
    compare_answer,
    compare_printed,
    compare_table,
)
from benchmarks.recompute.published import Published

# Columns of words, of names, and of counts that are input: those of the workload and of images.
TEXTS = {
    *("arm", "change", "against", "note", "why left out", "re-tuned settings", "effect", "kind", "aliases"),
    *("set", "data", "figure", "class", "taken for", "most often taken for", "predicted"),
    *("status", "stage", "reason", "which", "trial", "replicate"),
    *("parameters", "macs", "images", "times", "rests on", "told apart", "incumbent"),
    "collapsed",  # the level of chance is in no table
}
# Tables of runs, which are the input, of settings, and of words.
INPUT = ("replicates", "trials", "curves", "not_completed", "openings", "provenance", "declarations", "winner")
# Tables of what happened to single images, of which reports publish no runs.
PER_IMAGE = (
    *("image_flips", "flipped_images", "class_differences", "class_differences_all", "crossed_differences"),
    *("agreement", "agreement_further", "calibration", "reliability"),
)
_Recompute = Callable[[Published, pd.DataFrame], Columns]
TABLES: Mapping[str, _Recompute] = {
    "arms": levels.arms,
    "effects": comparisons.effects,
    "ablation_retuned": comparisons.retuned,
    "confirmed": levels.confirmed,
    "test": levels.test,
    "shifts": levels.shifts,
    "accuracies": levels.accuracies,
    "further_validation": partial(levels.further, stage="ablation"),
    "others_validation": partial(levels.further, stage="ablation"),
    "further_test": partial(levels.further, stage="final"),
    "others_test": partial(levels.further, stage="final"),
    "classes": classes.classes,
    "confused": classes.confused,
    "confusion": classes.confusion,
    "pairs": levels.pairs,
    "cost": cost.cost,
    "stages": cost.cost,
    "best": levels.best,
}
# Tables of comparisons with the stage of their runs, and the table of checks of the same arms.
COMPARED = {"ablation": ("ablation", "ablation_checks"), "test_differences": ("final", "test_checks")}


def recompute(report: Published) -> Verdict:
    """Recompute every table of a report and compare it with what was published."""
    verdict = Verdict()
    for name, table in report.tables.items():
        if name in report.markdown:
            compare_printed(verdict, name, table, report.markdown[name])
        if name in INPUT or table.empty or name in dict(COMPARED.values()).values():
            continue
        if name in COMPARED:
            _compare(verdict, report, name)
        elif name in PER_IMAGE:
            verdict.leave_out(name, f"every column ({NOT_PUBLISHED})")
        else:
            expected = TABLES[name](report, table) if name in TABLES else {}
            compare_table(verdict, name, table, expected, TEXTS)
    compare_answer(verdict, report.answer, report.tables)
    return verdict


def _allowing_looks(report: Published, columns: Columns) -> Columns:
    """Leave out what allows for a look after every pair."""
    if not report.anytime:
        return columns
    changed = (
        "difference l",
        "difference h",
        "Holm p",
        "simultaneous",
        "equivalence",
        "Holm equiv",
        "coverage",
        "detect",
    )
    return {
        name: [ANYTIME] * len(cells) if name.startswith(changed) or name == "verdict" else cells
        for name, cells in columns.items()
    }


def _compare(verdict: Verdict, report: Published, name: str) -> None:
    """Recompute a table of comparisons and that of its checks."""
    stage, checks = COMPARED[name]
    family = comparisons.family_of(report, stage, report.tables[name])
    expected = _allowing_looks(report, comparisons.comparison(family, report.margin))
    images = [column for column in report.tables[name].columns if "on such images" in column]
    expected = {**expected, **dict.fromkeys(images, [NOT_PUBLISHED] * len(report.tables[name]))}
    compare_table(verdict, name, report.tables[name], expected, TEXTS)
    if checks in report.tables:
        diverged = levels.ends(report, stage, report.tables[checks])["diverged"]
        expected = {**_allowing_looks(report, comparisons.checks(family, report.margin)), "diverged": diverged}
        compare_table(verdict, checks, report.tables[checks], expected, TEXTS)
