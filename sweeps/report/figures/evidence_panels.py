"""The figures of the stages after the search, by the section of the page."""

from __future__ import annotations

import pandas as pd

from sweeps.artifacts.layout import ABLATION, CONFIRM, FINAL, TEST, VALIDATION
from sweeps.formatting import count
from sweeps.report.data import ReportData
from sweeps.report.figures import draw_evidence as draw
from sweeps.report.figures import evidence_data
from sweeps.report.figures.arms import draw as arms
from sweeps.report.figures.arms.facets import explained
from sweeps.report.figures.panel import Panel
from sweeps.stats import ALPHA


def span(rows: pd.DataFrame, column: str, noun: str) -> str:
    """Return the range of a column of counts, in words: "n = 6 pairs", "n = 4 to 6 pairs"."""
    low, high = int(rows[column].min()), int(rows[column].max())
    return f"n = {count(low, noun)}" if low == high else f"n = {low} to {count(high, noun)}"


def _forest(rows: pd.DataFrame, data: ReportData) -> str:
    ablation, section = data.findings.ablation, data.results.study.ablation
    effects = ablation.effects if ablation else ()
    contrast = "with the component minus without it, and interactions (×)" if effects else "arm minus reference"
    text = (
        f"{span(rows, 'pairs', 'seed' if effects else 'pair')} in each row, on validation data: {contrast}. Thick: the "
        f"95 % interval; thin: simultaneous over the same table (Bonferroni). Filled: Holm p below {ALPHA}; open: not."
    )
    if section is not None and section.margin is not None:
        margin = data.findings.metric_format.difference(section.margin).lstrip("+")
        text += f" Shaded: the margin of ±{margin}, within which the study regards a difference as unimportant."
        if rows["equivalence low"].notna().any():
            text += (
                " Below a row in the same colour: the interval of its step in Holm's procedure over the equivalence "
                "tests, inside the margin exactly where the difference is called smaller."
            )
    return text


def _paired_seeds(rows: pd.DataFrame, data: ReportData) -> str:
    per_arm = rows.groupby("arm").size().to_frame("pairs")
    text = (
        f"{span(per_arm, 'pairs', 'pair')} for each arm, on validation data. One line per seed, from the reference "
        "(open) to the arm (filled). Both runs share the split, the data order and the augmentation draws."
    )
    crosses = " Crosses: runs that diverged, which count at chance level; it was not measured."
    return text + crosses if evidence_data.IMPUTED in rows else text


def _interactions(rows: pd.DataFrame, data: ReportData) -> str:
    components = rows["row"].nunique()
    text = (
        f"n = {count(components, 'component')}, on validation data. Diagonal: the main effects, with the component "
        "minus without it, averaged over the others. Beside it: the interactions, half of the difference between the "
        "effect of one component with the other and without it."
    )
    if rows["aliased with"].notna().any():
        text += " Aliased: in this fraction the cell shares its estimate with the interactions named under the pointer."
    return text


def _path(rows: pd.DataFrame, data: ReportData) -> str:
    return (
        f"{span(rows, 'pairs', 'pair')} for each step, on validation data with fresh seeds: the runs that chose the "
        "steps are not included. Whiskers: the 95 % interval of each step's difference. The axis does not begin at 0."
    )


def _mean_learning_curves(rows: pd.DataFrame, data: ReportData) -> str:
    return (
        f"{span(rows, 'runs', 'completed run')} for each arm, on validation data. Line: the mean over seeds; band: its "
        "95 % interval at each epoch. Diverged runs are not drawn."
        f"{explained(list(dict.fromkeys(rows['arm'])))}"
    )


def _labelled_sets(rows: pd.DataFrame, data: ReportData) -> str:
    text = f"{span(rows, 'runs', 'run')} for each arm and set: validation data, then the test set"
    further = [name for name in dict.fromkeys(rows["set"]) if name not in (VALIDATION, TEST)]
    text += f", then {count(len(further), 'further set')}" if further else ""
    text += f". Whiskers: the 95 % interval of the mean.{explained(list(dict.fromkeys(rows['arm'])))}"
    joined = rows["family"].notna().any()
    return f"{text} Lines join the severities of one corruption." if joined else text


MEAN_LEARNING_CURVES = Panel(
    "mean_learning_curves",
    "Mean learning curves",
    lambda data: evidence_data.mean_curves(data.findings),
    arms.draw_mean_curves,
    _mean_learning_curves,
    "no arm has two completed runs",
    stages=(ABLATION, CONFIRM),
    explained=False,
)
ABLATION_PANELS = (
    Panel(
        "forest",
        "Differences with their intervals",
        lambda data: data.differences,
        draw.draw_forest,
        _forest,
        "no arm has two pairs of finished runs",
        stages=(ABLATION,),
    ),
    Panel(
        "path",
        "The path from the baseline to the incumbent",
        lambda data: data.path,
        draw.draw_path,
        _path,
        "the design of the ablation is not path, or no step has two pairs of finished runs",
        stages=(ABLATION,),
        explained=False,
    ),
    Panel(
        "interactions",
        "Main effects and interactions",
        lambda data: evidence_data.interactions(data.findings),
        draw.draw_interactions,
        _interactions,
        "the design of the ablation is not factorial, or no two seeds have finished",
        stages=(ABLATION,),
        explained=False,
    ),
    Panel(
        "paired_seeds",
        "Paired seeds",
        lambda data: data.pairs,
        draw.draw_paired_seeds,
        _paired_seeds,
        "the design of the ablation is factorial, or no arm has a pair of finished runs",
        stages=(ABLATION,),
        explained=False,
    ),
    MEAN_LEARNING_CURVES,
)
FINAL_PANELS = (
    Panel(
        "labelled_sets",
        "Means on each labelled set",
        lambda data: evidence_data.labelled_sets(data.findings),
        arms.draw_labelled_sets,
        _labelled_sets,
        "no arm has two finished runs on the test set",
        stages=(FINAL,),
    ),
)
