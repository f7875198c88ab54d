"""The figures of the evidence: differences, pairs, interactions, the path, curves with bands, shifted test sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from sweeps.formatting import MetricFormat, measure
from sweeps.io.escape import plotly_text
from sweeps.report.figures import theme
from sweeps.report.figures.base import column, whiskers
from sweeps.report.figures.theme import ARM_MARKS, Mark, axis, epoch_axis, layout
from sweeps.report.tables.frames import missing
from sweeps.report.tables.interval import probability
from sweeps.storage.results import Results

UP, DOWN, OPEN = Mark(theme.BLUE, "circle", "solid", 11), Mark(theme.VERMILLION, "diamond", "dash", 12), "-open"
ROW_PX = 46
LEVEL = 0.05


def draw_forest(data: pd.DataFrame, results: Results) -> go.Figure:
    """Differences with their intervals: thick 95 %, thin simultaneous; filled where Holm's p is below 0.05."""
    words = measure(results.study.metric)
    figure = go.Figure()
    across = data.assign(y=[-place for place in range(len(data))])
    wide = across.assign(low=data["simultaneous low"], high=data["simultaneous high"])
    for rows, name, width, cap in ((wide, "simultaneous interval", 1.5, 9), (across, "95 % interval", 5, 0)):
        bars = whiskers(rows, "difference", theme.GREY, width, cap)
        figure.add_scatter(x=column(rows, "difference"), y=column(rows, "y"), error_x=bars, name=name)
        figure.data[-1].update(
            mode="markers", marker={"size": 1, "color": theme.GREY}, hoverinfo="skip", showlegend=False
        )
    for rows, name, mark, symbol in _decided(across):
        figure.add_scatter(x=column(rows, "difference"), y=column(rows, "y"), mode="markers", name=name)
        outline = {"color": mark.colour, "width": 2}
        figure.data[-1].update(
            marker={"color": mark.colour, "symbol": symbol, "size": mark.size, "line": outline},
            hovertext=[_spoken(row, words) for _, row in rows.iterrows()],
            hoverinfo="text",
        )
    ticks = [plotly_text(name, 34) for name in data["arm"]]
    figure.update_layout(
        layout(120 + ROW_PX * len(data)),
        showlegend=True,
        xaxis=axis(plotly_text(_difference(words)), zeroline=True, zerolinecolor=theme.INK, zerolinewidth=1.5),
        yaxis=_rows(ticks, [-len(data) + 0.4, 0.6]),
    )
    _margin(figure, results)
    return figure


def draw_pairs(data: pd.DataFrame, results: Results) -> go.Figure:
    """One line per seed from the reference to each arm: where all lines lean one way, the seeds agree."""
    words = measure(results.study.metric)
    figure = go.Figure()
    arms = list(dict.fromkeys(data["arm"]))
    for better, name, mark in ((True, "higher than its reference", UP), (False, "lower than its reference", DOWN)):
        rows = data[(data["difference"] > 0) == better]
        x: list[float | None] = []
        y: list[float | None] = []
        texts: list[str] = []
        for row in rows.itertuples():
            at = arms.index(row.arm)
            x += [at - 0.26, at + 0.26, None]
            y += [row.reference, row.value, None]
            told = f"{row.arm}, replicate {row.replicate}<br>{words.difference(row.difference)} against {row.against}"
            texts += ["<br>".join(plotly_text(line) for line in told.split("<br>"))] * 3
        figure.add_scatter(x=x, y=y, mode="lines+markers", name=name, hovertext=texts, hoverinfo="text")
        line = {"color": mark.colour, "width": 1.6, "dash": mark.dash}
        symbols = ["circle-open", mark.symbol, "circle"] * len(rows)
        figure.data[-1].update(line=line, marker={"color": mark.colour, "size": 8, "symbol": symbols})
    return figure.update_layout(
        layout(430),
        xaxis={
            **axis(""),
            "tickvals": [*range(len(arms))],
            "ticktext": [_two_lines(arm) for arm in arms],
            "range": [-0.6, len(arms) - 0.4],
            "showgrid": False,
        },
        yaxis=axis(plotly_text(words.axis)),
    )


def draw_interactions(data: pd.DataFrame, results: Results) -> go.Figure:
    """Main effects on the diagonal, interactions beside it; each cell says its figure."""
    words = measure(results.study.metric)
    names = list(dict.fromkeys(data["row"]))
    known = {(row["row"], row["column"]): row for row in data.to_dict("records")}
    cells = [[known.get((one, other)) for other in names] for one in names]
    most = max(abs(value) for value in data["estimate"]) or 1.0
    figure = go.Figure()
    figure.add_heatmap(
        x=[plotly_text(name, 18) for name in names],
        y=[plotly_text(name, 18) for name in names],
        z=[[cell["estimate"] if cell else None for cell in row] for row in cells],
        text=[[_cell(cell, words) if cell else "" for cell in row] for row in cells],
        texttemplate="%{text}",
        hovertext=[[plotly_text(cell["effect"]) if cell else "" for cell in row] for row in cells],
        hoverinfo="text",
        colorscale=[[0, theme.VERMILLION], [0.5, theme.PAPER], [1, theme.BLUE]],
        zmin=-1.6 * most,
        zmax=1.6 * most,
        xgap=3,
        ygap=3,
        showscale=False,
    )
    quiet: dict[str, Any] = {"showgrid": False, "zeroline": False, "automargin": True, "type": "category"}
    return figure.update_layout(
        layout(120 + 70 * len(names)), xaxis={**quiet, "side": "top"}, yaxis={**quiet, "autorange": "reversed"}
    )


def draw_path(data: pd.DataFrame, results: Results) -> go.Figure:
    """A waterfall: each bar spans a step's difference, its whisker the 95 % interval of that difference."""
    words = measure(results.study.metric)
    figure = go.Figure()
    for better, name, mark, pattern in ((True, "up", UP, ""), (False, "down", DOWN, "/")):
        rows = data[(data["difference"] > 0) == better]
        places = [place for place, kept in enumerate(data["difference"] > 0) if kept == better]
        bars = whiskers(rows, "difference", theme.INK)
        hatch = {"shape": pattern, "bgcolor": mark.colour, "fgcolor": theme.PAPER, "solidity": 0.15, "size": 9}
        figure.add_bar(x=places, base=column(rows, "from"), y=column(rows, "difference"), name=name, error_y=bars)
        figure.data[-1].update(
            marker={"color": mark.colour, "pattern": hatch},
            hovertext=[f"{plotly_text(row.step)}<br>{words.difference(row.difference)}" for row in rows.itertuples()],
            hoverinfo="text",
            width=0.56,
        )
    joints = [(place, row.to) for place, row in enumerate(data.itertuples())]
    for place, height in joints[:-1]:
        joint = {"color": theme.GREY, "width": 1, "dash": "dot"}
        figure.add_shape(type="line", x0=place - 0.28, x1=place + 1.28, y0=height, y1=height, line=joint)
    ends = [*data["from"], *data["to"]]
    room = (max(ends) - min(ends)) or 1.0
    return figure.update_layout(
        layout(420),
        showlegend=True,
        xaxis={**axis(""), "tickvals": [*range(len(data))], "ticktext": [_two_lines(step) for step in data["step"]]},
        yaxis=axis(plotly_text(words.axis), range=[min(ends) - 0.5 * room, max(ends) + 0.5 * room]),
    )


def draw_bands(data: pd.DataFrame, results: Results) -> go.Figure:
    """The mean curve of each arm over its seeds, in the band of its 95 % interval."""
    words = measure(results.study.metric)
    figure = go.Figure()
    for place, arm in enumerate(dict.fromkeys(data["arm"])):
        rows, mark = data[data["arm"] == arm], ARM_MARKS[place % len(ARM_MARKS)]
        epochs = column(rows, "epoch")
        band = [*column(rows, "high"), *reversed(column(rows, "low"))]
        figure.add_scatter(x=[*epochs, *reversed(epochs)], y=band, fill="toself", mode="lines", line={"width": 0})
        group = {"legendgroup": str(place), "hoverinfo": "skip"}
        figure.data[-1].update(fillcolor=mark.colour, opacity=0.16, showlegend=False, **group)
        figure.add_scatter(x=epochs, y=column(rows, "mean"), mode="lines+markers", name=plotly_text(arm, 30))
        figure.data[-1].update(
            line={"color": mark.colour, "width": 2.4, "dash": mark.dash},
            marker={"color": mark.colour, "symbol": mark.symbol, "size": 6 if len(rows) < 40 else 1},
            legendgroup=str(place),
            hovertext=[_at(row, words, f"epoch {row['epoch']}") for _, row in rows.iterrows()],
            hoverinfo="text",
        )
    return figure.update_layout(
        layout(440), showlegend=True, xaxis=epoch_axis(int(data["epoch"].max())), yaxis=axis(plotly_text(words.axis))
    )


def draw_shifts(data: pd.DataFrame, results: Results) -> go.Figure:
    """The arms on every labelled set, the severities of a corruption joined by a line."""
    words = measure(results.study.metric)
    names = list(dict.fromkeys(data["set"]))
    family = dict(zip(data["set"], data["family"], strict=True))
    place = _places(names, family)
    arms = list(dict.fromkeys(data["arm"]))
    figure = go.Figure()
    for index, arm in enumerate(arms):
        mark, rows = ARM_MARKS[index % len(ARM_MARKS)], data[data["arm"] == arm]
        step = (index - (len(arms) - 1) / 2) * min(0.16, 0.6 / len(arms))
        drawn = _with_gaps(rows)
        figure.add_scatter(
            x=[None if name is None else place[name] + step for name in drawn["set"]],
            y=column(drawn, "mean"),
            mode="lines+markers",
            name=plotly_text(arm, 30),
            line={"color": mark.colour, "width": 1.4, "dash": mark.dash},
            marker={"color": mark.colour, "symbol": mark.symbol, "size": 9},
            error_y=whiskers(drawn, "mean", mark.colour, 1.4, 3),
            connectgaps=False,
            hovertext=["" if row["set"] is None else _at(row, words, row["set"]) for _, row in drawn.iterrows()],
            hoverinfo="text",
        )
    severity = dict(zip(data["set"], data["severity"], strict=True))
    ticks = [plotly_text(name, 16) if missing(severity[name]) else str(severity[name]) for name in names]
    figure.update_layout(
        layout(450, margin={"l": 12, "r": 16, "t": 44, "b": 60}),
        showlegend=True,
        xaxis={**axis(""), "tickvals": [place[name] for name in names], "ticktext": ticks, "showgrid": False},
        yaxis=axis(plotly_text(words.on("").axis.strip())),
        annotations=[_family(text, at) for text, at in _centres(names, family, place)],
    )
    return figure


def _decided(rows: pd.DataFrame) -> list[tuple[pd.DataFrame, str, Mark, str]]:
    """The rows by what Holm's p says of them, each group with its name, mark and symbol."""
    clear = rows["Holm p"].map(lambda p: not missing(p) and p < LEVEL)
    up = rows["difference"] > 0
    groups = [
        (rows[clear & up], "higher (Holm p < 0.05)", UP, UP.symbol),
        (rows[clear & ~up], "lower (Holm p < 0.05)", DOWN, DOWN.symbol),
        (rows[~clear], "Holm p ≥ 0.05", Mark(theme.INK, "circle-open", "solid", 11), "circle-open"),
    ]
    return [group for group in groups if len(group[0])]


def _margin(figure: go.Figure, results: Results) -> None:
    asked = results.study.ablation
    if asked is not None and asked.margin is not None:
        band = {"fillcolor": theme.GREEN, "opacity": 0.13, "line_width": 0, "layer": "below"}
        figure.add_vrect(x0=-asked.margin, x1=asked.margin, **band)


def _spoken(row: pd.Series[Any], words: MetricFormat) -> str:
    ends = f"[{words.difference(row['low'])}, {words.difference(row['high'])}]"
    found = f"{words.difference(row['difference'])} {ends}"
    lines = (row["arm"], found, f"n = {row['pairs']}", f"Holm p {probability(row['Holm p'])}", row["verdict"])
    return "<br>".join(plotly_text(line, 70) for line in lines)


def _at(row: pd.Series[Any], words: MetricFormat, where: str) -> str:
    spread = f"{words.show(row['mean'])} [{words.show(row['low'])}, {words.show(row['high'])}], n = {row['runs']}"
    return "<br>".join(plotly_text(line, 70) for line in (f"{row['arm']}, {where}", spread))


def _cell(cell: dict[Any, Any], words: MetricFormat) -> str:
    chance = f"Holm p {probability(cell['Holm p'])}"
    return f"{plotly_text(words.difference(cell['estimate']))}<br>{plotly_text(chance)}"


def _difference(words: MetricFormat) -> str:
    return f"difference in {words.label}" + (" (pp)" if words.unit else "")


def _rows(ticks: Sequence[str], span: list[float]) -> dict[str, Any]:
    at = [-place for place in range(len(ticks))]
    quiet = {"showgrid": False, "zeroline": False, "automargin": True}
    return {**quiet, "tickvals": at, "ticktext": list(ticks), "range": span}


def _two_lines(text: str) -> str:
    """A label for a narrow place, broken at the blank nearest to its middle."""
    words = text.split()
    if len(text) <= 12 or len(words) < 2:
        return plotly_text(text, 24)
    cut = min(range(1, len(words)), key=lambda at: abs(len(" ".join(words[:at])) - len(text) / 2))
    return f"{plotly_text(' '.join(words[:cut]), 22)}<br>{plotly_text(' '.join(words[cut:]), 22)}"


def _places(names: Sequence[str], family: dict[str, Any]) -> dict[str, float]:
    """Where each set stands: a step apart, and another half before each family and each set without one."""
    places: dict[str, float] = {}
    at, before = 0.0, None
    for name in names:
        at += 0.0 if not places else 1.0 if family[name] == before and family[name] is not None else 1.6
        places[name], before = at, family[name]
    return places


def _with_gaps(rows: pd.DataFrame) -> pd.DataFrame:
    """An empty row wherever the family changes, and between sets that have none."""
    empty = dict.fromkeys(rows.columns)
    out: list[dict[str, Any]] = []
    for row in rows.to_dict("records"):
        if out and (row["family"] is None or row["family"] != out[-1]["family"]):
            out.append(empty)
        out.append(row)
    return pd.DataFrame(out, columns=rows.columns, dtype=object)


def _centres(names: Sequence[str], family: dict[str, Any], place: dict[str, float]) -> list[tuple[str, float]]:
    stems = dict.fromkeys(family[name] for name in names if family[name] is not None)
    members = {stem: [place[name] for name in names if family[name] == stem] for stem in stems}
    return [(stem, (min(at) + max(at)) / 2) for stem, at in members.items()]


def _family(text: str, at: float) -> dict[str, Any]:
    font = {"size": 12, "color": theme.MUTED}
    place = {"x": at, "y": 0, "yref": "paper", "yshift": -34, "showarrow": False}
    return {**place, "text": plotly_text(text, 20), "font": font}
