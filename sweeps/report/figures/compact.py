"""Figures as little JSON: what is said of a trial under the pointer is written once for all figures and points."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

MANY = 2_000  # points, of which each is written with so many DIGITS: still more than a screen has pixels
DIGITS = 6


def compact(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Plotly's figures by name, as `{"figures": ..., "texts": [...]}`; page.js undoes it.

    A list of texts under the pointer becomes `{"runs": [[text, times], ...]}`, `text` being a place in `texts`.
    """
    places: dict[str, int] = {}
    drawn = {
        name: {**figure, "data": [_trace(trace, places) for trace in figure["data"]]}
        for name, figure in figures.items()
    }
    return {"figures": drawn, "texts": list(places)}


def _trace(trace: Mapping[str, Any], places: dict[str, int]) -> dict[str, Any]:
    changed: dict[str, Any] = {
        axis: [_rounded(at) for at in trace[axis]] for axis in "xy" if len(trace.get(axis) or ()) > MANY
    }
    texts = trace.get("hovertext")
    if isinstance(texts, list) and all(isinstance(text, str) for text in texts):  # a heat map has rows of them
        runs = [[places.setdefault(text, len(places)), len(list(same))] for text, same in groupby(texts)]
        changed["hovertext"] = {"runs": runs}
    return {**trace, **changed}


def _rounded(at: Any) -> Any:
    return float(f"{at:.{DIGITS}g}") if isinstance(at, float) else at
