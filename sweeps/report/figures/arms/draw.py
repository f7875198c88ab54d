"""Draw the mean curves of the arms and their means on each labelled set."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from sweeps.formatting import MetricFormat
from sweeps.io.escape import plotly_text
from sweeps.report.data import ReportData
from sweeps.report.figures import theme
from sweeps.report.figures.arms.facets import apart, draw_arms, legend_name
from sweeps.report.figures.base import column, whiskers
from sweeps.report.figures.evidence_data import family_centres, set_places, with_gaps
from sweeps.report.figures.theme import Mark, axis, count_axis
from sweeps.report.tables.frames import missing


def draw_mean_curves(rows: pd.DataFrame, data: ReportData) -> go.Figure:
    """Draw the mean curve of each arm over its seeds in the band of its 95 % interval."""
    words = data.findings.metric_format

    def draw(arm: str, mark: Mark, place: int, arms: int) -> list[go.Scatter]:
        means = rows[rows["arm"] == arm]
        return [_band(means, mark, arm), _mean_line(means, mark, arm, words)]

    epochs = count_axis("epoch", int(rows["epoch"].max()))
    return draw_arms(list(dict.fromkeys(rows["arm"])), draw, 440, epochs, axis(plotly_text(words.axis)))


def draw_labelled_sets(rows: pd.DataFrame, data: ReportData) -> go.Figure:
    """Draw the means of the arms on every labelled set, the severities of a corruption joined by a line."""
    words = data.findings.metric_format
    names = list(dict.fromkeys(rows["set"]))
    family = dict(zip(rows["set"], rows["family"], strict=True))
    place = set_places(names, family)
    arms = list(dict.fromkeys(rows["arm"]))

    def draw(arm: str, mark: Mark, index: int, number: int) -> list[go.Scatter]:
        # Arms stand side by side at a set, and closer together the more there are.
        offset = (index - (number - 1) / 2) * min(0.16, 0.6 / number)
        means = with_gaps(rows[rows["arm"] == arm])
        x = [None if name is None else place[name] + offset for name in means["set"]]
        return [_set_means(arm, means, x, mark, words)]

    severity = dict(zip(rows["set"], rows["severity"], strict=True))
    ticks = [plotly_text(name, 16) if missing(severity[name]) else str(severity[name]) for name in names]
    if apart(arms):  # where the families have no room of their own
        ticks = [plotly_text(name, 16) for name in names]
    sets = {**axis(""), "tickvals": [place[name] for name in names], "ticktext": ticks, "showgrid": False}
    labels = [_family_label(text, at) for text, at in family_centres(names, family, place)]
    room = {"margin": {"l": 12, "r": 16, "t": 44, "b": 60}, "annotations": labels}
    return draw_arms(arms, draw, 450, sets, axis(plotly_text(words.on("").axis.strip())), **room)


def _band(means: pd.DataFrame, mark: Mark, arm: str) -> go.Scatter:
    """The band of an arm: along its upper edge, and back along the lower one, without epochs that have no interval."""
    edges = means[~means["low"].map(missing)]
    band, along = [*column(edges, "high"), *reversed(column(edges, "low"))], column(edges, "epoch")
    return go.Scatter(
        x=[*along, *reversed(along)],
        y=band,
        fill="toself",
        mode="lines",
        line={"width": 0},
        fillcolor=mark.colour,
        opacity=0.16,
        showlegend=False,
        legendgroup=plotly_text(arm, 200),
        hoverinfo="skip",
    )


def _mean_line(means: pd.DataFrame, mark: Mark, arm: str, words: MetricFormat) -> go.Scatter:
    return go.Scatter(
        x=column(means, "epoch"),
        y=column(means, "mean"),
        mode="lines+markers",
        name=legend_name(arm),
        line={"color": mark.colour, "width": 2.4, "dash": mark.dash},
        marker={"color": mark.colour, "symbol": mark.symbol, "size": 6 if len(means) < 40 else 1},
        legendgroup=plotly_text(arm, 200),
        hovertext=[_mean_text(row, words, f"epoch {row['epoch']}") for row in means.to_dict("records")],
        hoverinfo="text",
    )


def _mean_text(row: Mapping[Hashable, Any], words: MetricFormat, where: str) -> str:
    ends = "" if missing(row["low"]) else f" [{words.show(row['low'])}, {words.show(row['high'])}]"
    spread = f"{words.show(row['mean'])}{ends}, n = {row['runs']}"
    return "<br>".join(plotly_text(line, 70) for line in (f"{row['arm']}, {where}", spread))


def _set_means(arm: str, rows: pd.DataFrame, x: Sequence[float | None], mark: Mark, words: MetricFormat) -> go.Scatter:
    """The means of one arm on the sets."""
    return go.Scatter(
        x=x,
        y=column(rows, "mean"),
        mode="lines+markers",
        name=legend_name(arm),
        line={"color": mark.colour, "width": 1.4, "dash": mark.dash},
        marker={"color": mark.colour, "symbol": mark.symbol, "size": 9},
        error_y=whiskers(rows, "mean", mark.colour, 1.4, 3),
        connectgaps=False,
        hovertext=["" if row["set"] is None else _mean_text(row, words, row["set"]) for row in rows.to_dict("records")],
        hoverinfo="text",
    )


def _family_label(text: str, at: float) -> dict[str, Any]:
    font = {"size": 12, "color": theme.MUTED}
    place = {"x": at, "y": 0, "yref": "paper", "yshift": -34, "showarrow": False}
    return {**place, "text": plotly_text(text, 20), "font": font}
