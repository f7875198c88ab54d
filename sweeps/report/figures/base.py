"""What all figures share: the library itself, its type of figure, and columns as it takes them."""

from __future__ import annotations

from typing import Any, TypeAlias

import pandas as pd
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from sweeps.report.tables.frames import missing

Figure: TypeAlias = go.Figure


def bundle() -> str:
    """The source of plotly.js, which a page carries once."""
    return str(get_plotlyjs())


def column(rows: pd.DataFrame, name: str) -> list[Any]:
    """The cells of a column, empty ones as None."""
    return [None if missing(value) else value for value in rows[name]]


def whiskers(rows: pd.DataFrame, name: str, colour: str, width: float = 1.5, cap: int = 5) -> dict[str, Any]:
    """Error bars from the columns low and high around the column `name`; none where a row has no interval."""
    figures = rows[[name, "low", "high"]].to_numpy()
    up = [None if missing(high) else high - value for value, _, high in figures]
    down = [None if missing(low) else value - low for value, low, _ in figures]
    shape = {"type": "data", "symmetric": False, "color": colour, "thickness": width, "width": cap}
    return {**shape, "array": up, "arrayminus": down}
