"""Draw the figures of the per-image evidence."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from sweeps.io.escape import plotly_text
from sweeps.report.data import ReportData
from sweeps.report.figures import theme
from sweeps.report.figures.base import column
from sweeps.report.figures.theme import ARM_MARKS, axis, layout


def draw_reliability(rows: pd.DataFrame, data: ReportData) -> go.Figure:
    """Draw accuracy against confidence, a line for each arm, beside the diagonal of a calibrated model."""
    figure = go.Figure()
    low = min(100.0, float(rows["confidence"].min()), float(rows["accuracy"].min()))
    start = max(0.0, 10 * (low // 10))
    figure.add_scatter(x=[start, 100], y=[start, 100], mode="lines", name="calibrated", hoverinfo="skip")
    figure.data[-1].update(line={"color": theme.GREY, "width": 1.5, "dash": "dash"})
    for place, (arm, of_arm) in enumerate(rows.groupby("arm", sort=False)):
        mark, name = ARM_MARKS[place % len(ARM_MARKS)], plotly_text(str(arm), 34)
        figure.add_scatter(
            x=column(of_arm, "confidence"), y=column(of_arm, "accuracy"), mode="lines+markers", name=name
        )
        figure.data[-1].update(
            marker={"color": mark.colour, "symbol": mark.symbol, "size": 7},
            line={"color": mark.colour, "width": 1.5, "dash": mark.dash},
            hovertext=[
                f"{name}<br>confidence {row.confidence:.1f} %, accuracy {row.accuracy:.1f} %, {row.images:,} images"
                for row in of_arm.itertuples()
            ],
            hoverinfo="text",
        )
    ends = [start - 1, 101]
    return figure.update_layout(
        layout(440),
        showlegend=True,
        xaxis=axis("confidence (%)", range=ends),
        yaxis=axis("accuracy (%)", range=ends),
    )
