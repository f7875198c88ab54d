"""Draw the figures of the stages after the search from the data of `evidence_data`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from sweeps.formatting import MetricFormat
from sweeps.io.escape import plotly_text
from sweeps.report.data import ReportData
from sweeps.report.figures import theme
from sweeps.report.figures.base import column, two_lines, whiskers
from sweeps.report.figures.evidence_data import imputed_ends, waterfall_range
from sweeps.report.figures.theme import Mark, axis, colour_bar, layout
from sweeps.report.tables.frames import missing
from sweeps.report.tables.interval import probability
from sweeps.stats import ALPHA
from sweeps.trial.arm import BASELINE

UP, DOWN = Mark(theme.BLUE, "circle", "solid", 11), Mark(theme.VERMILLION, "diamond", "dash", 12)
OPEN = Mark(theme.INK, "circle-open", "solid", 11)
CROSS = "x-open"  # a value at chance level
ROW_PX = 46


def draw_forest(rows: pd.DataFrame, data: ReportData) -> go.Figure:
    """Draw differences with their intervals: thick 95 %, thin simultaneous; filled where Holm's p is below 0.05.

    Below each row, in the colour of the margin, lies the interval by which Holm's equivalence test decides.
    """
    words = data.findings.metric_format
    figure = go.Figure()
    across = rows.assign(y=[-place for place in range(len(rows))])
    wide = across.assign(low=rows["simultaneous low"], high=rows["simultaneous high"])
    within = across.assign(low=rows["equivalence low"], high=rows["equivalence high"], y=across["y"] - 0.24)
    within = within[~within["low"].map(missing)]
    for intervals, name, colour, width, cap in (
        (wide, "simultaneous interval", theme.GREY, 1.5, 9),
        (across, "95 % interval", theme.GREY, 5, 0),
        (within, "equivalence interval", theme.GREEN, 4, 6),
    ):
        # The markers of these traces are a pixel wide: they only carry the intervals as error bars.
        bars = whiskers(intervals, "difference", colour, width, cap)
        figure.add_scatter(x=column(intervals, "difference"), y=column(intervals, "y"), error_x=bars, name=name)
        figure.data[-1].update(mode="markers", marker={"size": 1, "color": colour}, hoverinfo="skip", showlegend=False)
    for group, name, mark in _by_result(across):
        figure.add_scatter(x=column(group, "difference"), y=column(group, "y"), mode="markers", name=name)
        outline = {"color": mark.colour, "width": 2}
        figure.data[-1].update(
            marker={"color": mark.colour, "symbol": mark.symbol, "size": mark.size, "line": outline},
            hovertext=[_difference_text(row, words) for row in group.to_dict("records")],
            hoverinfo="text",
        )
    ticks = [plotly_text(name, 34) for name in rows["arm"]]
    figure.update_layout(
        layout(120 + ROW_PX * len(rows)),
        showlegend=True,
        xaxis=axis(plotly_text(_difference_title(words)), zeroline=True, zerolinecolor=theme.INK, zerolinewidth=1.5),
        yaxis=_row_axis(ticks),
    )
    _add_margin(figure, data)
    return figure


def draw_paired_seeds(rows: pd.DataFrame, data: ReportData) -> go.Figure:
    """Draw one line per seed from the reference to each arm. If all lines rise, or all fall, the seeds agree."""
    words = data.findings.metric_format
    figure = go.Figure()
    arms = list(dict.fromkeys(rows["arm"]))
    for better, name, mark in ((True, "higher than its reference", UP), (False, "lower than its reference", DOWN)):
        pairs = rows[(rows["difference"] > 0) == better]
        if pairs.empty:
            continue
        figure.add_scatter(**_pair_lines(pairs, arms, words), mode="lines+markers", name=name, hoverinfo="text")
        line = {"color": mark.colour, "width": 1.6, "dash": mark.dash}
        symbols = [symbol for row in pairs.to_dict("records") for symbol in _pair_symbols(row, mark)]
        figure.data[-1].update(line=line, marker={"color": mark.colour, "size": 8, "symbol": symbols})
    return figure.update_layout(
        layout(430),
        showlegend=True,
        xaxis={
            **axis(""),
            "tickvals": [*range(len(arms))],
            "ticktext": [two_lines(arm) for arm in arms],
            "range": [-0.6, len(arms) - 0.4],
            "showgrid": False,
            **theme.UPRIGHT,
        },
        yaxis=axis(plotly_text(words.axis)),
    )


def draw_interactions(rows: pd.DataFrame, data: ReportData) -> go.Figure:
    """Draw main effects on the diagonal and interactions beside it, each cell with its estimate and p."""
    words = data.findings.metric_format
    names = list(dict.fromkeys(rows["row"]))
    by_cell = {(row["row"], row["column"]): row for row in rows.to_dict("records")}
    cells = [[by_cell.get((one, other)) for other in names] for one in names]
    largest = max(abs(value) for value in rows["estimate"]) or 1.0
    figure = go.Figure()
    figure.add_heatmap(
        x=[plotly_text(name, 18) for name in names],
        y=[plotly_text(name, 18) for name in names],
        z=[[cell["estimate"] if cell else None for cell in row] for row in cells],
        text=[[_cell_text(cell, words) if cell else "" for cell in row] for row in cells],
        texttemplate="%{text}",
        hovertext=[[_cell_hover(cell, words) if cell else "" for cell in row] for row in cells],
        hoverinfo="text",
        textfont={"color": theme.INK},
        colorscale=[list(step) for step in theme.DIFFERENCES],
        colorbar=colour_bar(plotly_text(_difference_title(words)), -0.02, "top"),
        zmin=-largest,
        zmax=largest,
        xgap=3,
        ygap=3,
    )
    quiet: dict[str, Any] = {"showgrid": False, "zeroline": False, "automargin": True, "type": "category", "ticks": ""}
    return figure.update_layout(
        layout(180 + 70 * len(names)),
        xaxis={**quiet, "side": "top", **theme.UPRIGHT},
        yaxis={**quiet, "autorange": "reversed"},
    )


def draw_path(rows: pd.DataFrame, data: ReportData) -> go.Figure:
    """Draw a waterfall: the baseline, a bar per step with the 95 % interval of its difference, and the incumbent."""
    words = data.findings.metric_format
    figure = go.Figure()
    # The axis does not begin at 0, where the steps of an accuracy would be too small to see.
    floor, top = waterfall_range(rows, words)
    ends = {0: rows["from"].iloc[0], len(rows) + 1: rows["to"].iloc[-1]}
    figure.add_bar(x=[*ends], base=floor, y=[value - floor for value in ends.values()], name="mean", width=0.56)
    figure.data[-1].update(
        marker={"color": theme.GREY}, hovertext=[plotly_text(words.show(value)) for value in ends.values()]
    )
    figure.data[-1].update(hoverinfo="text")
    for better, name, mark, pattern in ((True, "up", UP, ""), (False, "down", DOWN, "/")):
        steps = rows[(rows["difference"] > 0) == better]
        if steps.empty:
            continue
        places = [place for place, rises in enumerate(rows["difference"] > 0, start=1) if rises == better]
        bars = whiskers(steps, "difference", theme.INK)
        hatch = {"shape": pattern, "bgcolor": mark.colour, "fgcolor": theme.PAPER, "solidity": 0.15, "size": 9}
        figure.add_bar(x=places, base=column(steps, "from"), y=column(steps, "difference"), name=name, error_y=bars)
        figure.data[-1].update(
            marker={"color": mark.colour, "pattern": hatch},
            hovertext=[f"{plotly_text(row.step)}<br>{words.difference(row.difference)}" for row in steps.itertuples()],
            hoverinfo="text",
            width=0.56,
        )
    for place, height in enumerate([ends[0], *rows["to"]]):
        joint = {"color": theme.GREY, "width": 1, "dash": "dot"}
        figure.add_shape(type="line", x0=place - 0.28, x1=place + 1.28, y0=height, y1=height, line=joint)
    names = [BASELINE, *rows["step"], "incumbent"]
    return figure.update_layout(
        layout(420),
        showlegend=True,
        xaxis=axis("", tickvals=[*range(len(names))], ticktext=[two_lines(name) for name in names], **theme.UPRIGHT),
        yaxis=axis(plotly_text(words.axis), range=[floor, top]),
    )


def _by_result(rows: pd.DataFrame) -> list[tuple[pd.DataFrame, str, Mark]]:
    """The rows by the result of Holm's test, each group with its name and mark."""
    clear = rows["Holm p"].map(lambda p: not missing(p) and p < ALPHA)
    up = rows["difference"] > 0
    groups = [
        (rows[clear & up], f"higher (Holm p < {ALPHA})", UP),
        (rows[clear & ~up], f"lower (Holm p < {ALPHA})", DOWN),
        (rows[~clear], f"Holm p ≥ {ALPHA}", OPEN),
    ]
    return [group for group in groups if len(group[0])]


def _add_margin(figure: go.Figure, data: ReportData) -> None:
    section = data.results.study.ablation
    if section is not None and section.margin is not None:
        band = {"fillcolor": theme.GREEN, "opacity": 0.13, "line_width": 0, "layer": "below"}
        figure.add_vrect(x0=-section.margin, x1=section.margin, **band)


def _difference_text(row: Mapping[Hashable, Any], words: MetricFormat) -> str:
    ends = "" if missing(row["low"]) else f" [{words.difference(row['low'])}, {words.difference(row['high'])}]"
    difference = f"{words.difference(row['difference'])}{ends}"
    lines = (row["arm"], difference, f"n = {row['pairs']}", f"Holm p {probability(row['Holm p'])}", row["verdict"])
    return "<br>".join(plotly_text(line, 70) for line in lines)


def _cell_text(cell: Mapping[Hashable, Any], words: MetricFormat) -> str:
    below = f"Holm p {probability(cell['Holm p'])}" if missing(cell["aliased with"]) else "aliased"
    return f"{plotly_text(words.difference(cell['estimate']))}<br>{plotly_text(below)}"


def _cell_hover(cell: Mapping[Hashable, Any], words: MetricFormat) -> str:
    lines = [cell["effect"], f"{words.difference(cell['estimate'])}, Holm p {probability(cell['Holm p'])}"]
    lines += [] if missing(cell["aliased with"]) else [f"aliased with {cell['aliased with']}"]
    return "<br>".join(plotly_text(line, 90) for line in lines)


def _difference_title(words: MetricFormat) -> str:
    return f"difference in {words.label}" + (" (pp)" if words.unit else "")


def _row_axis(ticks: Sequence[str]) -> dict[str, Any]:
    """The vertical axis of a forest plot: a label per row."""
    places = [-place for place in range(len(ticks))]
    quiet = {"showgrid": False, "zeroline": False, "automargin": True}
    return {**quiet, "tickvals": places, "ticktext": list(ticks), "range": [-len(ticks) + 0.4, 0.6]}


def _pair_symbols(row: Mapping[Hashable, Any], mark: Mark) -> list[str]:
    """The symbols of a pair: reference, arm, and the gap after them."""
    shown = zip(("circle-open", mark.symbol), imputed_ends(row), strict=True)
    return [*(CROSS if at_chance else symbol for symbol, at_chance in shown), "circle"]


def _pair_lines(rows: pd.DataFrame, arms: Sequence[str], words: MetricFormat) -> dict[str, list[Any]]:
    """The lines from reference to arm with a gap after each, and the texts under the pointer."""
    x: list[float | None] = []
    y: list[float | None] = []
    texts: list[str] = []
    for row in rows.itertuples():
        at = arms.index(row.arm)
        x += [at - 0.26, at + 0.26, None]
        y += [row.reference, row.value, None]
        lines = (f"{row.arm}, replicate {row.replicate}", f"{words.difference(row.difference)} against {row.against}")
        texts += ["<br>".join(map(plotly_text, lines))] * 3
    return {"x": x, "y": y, "hovertext": texts}
