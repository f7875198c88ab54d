"""Draw the figures of the per-image evidence."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from sweeps.io.escape import plotly_text
from sweeps.report.data import ReportData
from sweeps.report.figures import theme
from sweeps.report.figures.arms.facets import draw_arms, legend_name
from sweeps.report.figures.base import column
from sweeps.report.figures.theme import Mark, axis


def draw_reliability(rows: pd.DataFrame, data: ReportData) -> go.Figure:
    """Draw accuracy against confidence, a line for each arm, beside the diagonal of a calibrated model."""
    low = min(100.0, float(rows["confidence"].min()), float(rows["accuracy"].min()))
    start = max(0.0, 10 * (low // 10))
    ends = [start - 1, 101]

    def draw(arm: str, mark: Mark, place: int, arms: int) -> list[go.Scatter]:
        line = _reliability(arm, rows[rows["arm"] == arm], mark)
        return [line] if place else [_diagonal(start), line]

    confidence, accuracy = axis("confidence (%)", range=ends), axis("accuracy (%)", range=ends)
    return draw_arms(list(dict.fromkeys(rows["arm"])), draw, 440, confidence, accuracy)


def _diagonal(start: float) -> go.Scatter:
    line = {"color": theme.GREY, "width": 1.5, "dash": "dash"}
    return go.Scatter(x=[start, 100], y=[start, 100], mode="lines", name="calibrated", hoverinfo="skip", line=line)


def _reliability(arm: str, rows: pd.DataFrame, mark: Mark) -> go.Scatter:
    return go.Scatter(
        x=column(rows, "confidence"),
        y=column(rows, "accuracy"),
        mode="lines+markers",
        name=legend_name(arm),
        marker={"color": mark.colour, "symbol": mark.symbol, "size": 7},
        line={"color": mark.colour, "width": 1.5, "dash": mark.dash},
        hovertext=[
            f"{plotly_text(arm, 60)}<br>confidence {row.confidence:.1f} %, accuracy {row.accuracy:.1f} %, "
            f"{row.images:,} images"
            for row in rows.itertuples()
        ],
        hoverinfo="text",
    )
