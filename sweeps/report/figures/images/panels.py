"""The figures of the per-image evidence: how their data are computed, and their captions."""

from __future__ import annotations

import pandas as pd

from sweeps.artifacts.layout import ABLATION, CONFIRM, FINAL, TEST
from sweeps.evidence.images import SetEvidence
from sweeps.evidence.images.calibration import BINS
from sweeps.report.data import ReportData
from sweeps.report.figures.arms.facets import explained
from sweeps.report.figures.images.draw import draw_reliability
from sweeps.report.figures.panel import Panel
from sweeps.report.tables.frames import frame_of


def _set(data: ReportData) -> SetEvidence | None:
    """The test set, where runs have kept their predictions for it, else the main set."""
    sets = data.findings.images.sets
    return next((each for each in sets if each.name == TEST), data.findings.images.main)


def _reliability_data(data: ReportData) -> pd.DataFrame:
    shown = _set(data)
    rows = [
        (one.arm.name, number, 100 * each.confidence, 100 * each.accuracy, each.images)
        for one in (shown.qualities if shown else ())
        for number, each in enumerate(one.reliability, start=1)
    ]
    return frame_of(rows, ["arm", "bin", "confidence", "accuracy", "images"])


def _reliability(rows: pd.DataFrame, data: ReportData) -> str:
    shown = _set(data)
    name = shown.name if shown else ""
    return (
        f"On {name} data, over all runs of an arm, in {BINS} bins with equal numbers of predictions. Below the "
        "diagonal a model is surer than it is right. Bins of few images scatter."
        f"{explained(list(dict.fromkeys(rows['arm'])))}"
    )


IMAGE_PANELS = (
    Panel(
        "reliability",
        "Reliability diagram",
        _reliability_data,
        draw_reliability,
        _reliability,
        "no run has kept its prediction for each image",
        stages=(CONFIRM, ABLATION, FINAL),
        explained=False,
    ),
)
