"""Write all trials of a study as compact columns, which the page's script shows as a table."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from sweeps.evidence.findings import Findings
from sweeps.formatting import setting, status_name, unit_of
from sweeps.io.escape import visible
from sweeps.recipe.keys import value_at
from sweeps.report.tables.frames import missing, setting_cell, setting_column, setting_keys
from sweeps.report.tables.tidy import FACTS, trials_frame
from sweeps.space.space import TOGGLE

DIGITS = 6  # significant digits of a number on the page that is no metric; the files in tables/ have all of them
LARGEST_INTEGER = 2**53  # above it JavaScript rounds integers
# Columns that the reader has to ask for. The tables as files have them too.
HIDDEN = frozenset({"replicate", "seed", "source", "trainable_parameters", "macs"})
LEFT_OUT = ("started", "finished")  # a text of its own for each trial would be a large part of the page
CHOICES = ("stage", "status", "arm")  # columns that are also filtered by one of their values
COUNTS = ("trial", "replicate", "epochs", "parameters", "trainable_parameters", "macs")
SHORT = {"seconds": "time", "macs": "MACs", "source": "taken from", "trainable_parameters": "trainable parameters"}


def table_columns(findings: Findings) -> list[dict[str, Any]]:
    """Return the columns of the table, each with a cell for every trial of every stage.

    Returns:
        One mapping per column that has a value:

        - key, title: Its name in tidy data, and its title on the page.
        - kind: "number", "count", "seconds" or "text", which decides how its cells are shown.
        - unit: "%" for a metric in percent.
        - shown: Whether it is shown at first.
        - searched: Whether it is a searched setting.
        - baseline: The value of a searched setting in the study file's baseline, as text; None if it is not there.
        - choice: Whether the table is filtered by one of its values.
        - values: The cells of a column of numbers; None for an empty one.
        - words, at: The distinct texts of a column of texts, and the place of each cell's among them; -1 if empty.
    """
    frame = trials_frame(findings)
    frame = frame.drop(columns=[name for name in (*LEFT_OUT, *_unneeded(frame)) if name in frame])
    names = [str(name) for name in frame.columns]
    keys = {_setting_name(key, names): key for key in setting_keys(findings.results)}
    return [_column(_about(name, keys.get(name), findings), name, frame[name].tolist()) for name in names]


def _column(about: Mapping[str, Any], name: str, values: Sequence[Any]) -> dict[str, Any]:
    # A metric keeps all digits, so that the page rounds it once, as the other tables do.
    digits = 17 if about["unit"] or name in ("value", "last_value") else DIGITS
    return {"key": visible(name), **about, **_cells(name, values, digits)}


def _setting_name(key: str, names: Collection[str]) -> str:
    """The name of a setting's column, which is marked where another column has the name of the key."""
    marked = setting_column(key, [key])
    return marked if marked in names else key


def _baseline(key: str, findings: Findings) -> str | None:
    """The baseline's value of a searched setting as text; None where the study file does not write it."""
    value = True if key.startswith(TOGGLE) else value_at(findings.results.study.baseline, key)
    return None if value is None else visible(setting(setting_cell(value)))


def _unneeded(frame: pd.DataFrame) -> list[str]:
    """The columns without a value, and the last value where it is the value of every trial."""
    unneeded = [name for name in frame.columns if frame[name].map(missing).all()]
    if frame["last_value"].equals(frame["value"]):
        unneeded.append("last_value")
    return unneeded


def _about(name: str, key: str | None, findings: Findings) -> dict[str, Any]:
    """The title of a column and how it is shown; `key` is that of a searched setting."""
    words = findings.metric_format
    titles = {"value": words.label, "last_value": f"last {words.label}", **SHORT}
    if key is not None:
        about = {"title": visible(name), "unit": "", "shown": True, "searched": True, "choice": False}
        return about | {"baseline": _baseline(key, findings)}
    measured = name in ("value", "last_value")
    unit = words.unit if measured else unit_of(name.rpartition(".")[2], findings.results.percentages)
    facts = name in FACTS or name == "parameters" or name.startswith("test.")
    return {
        "title": visible(titles.get(name, name)),
        "unit": unit,
        "shown": facts and name not in HIDDEN,
        "searched": False,
        "choice": name in CHOICES,
    }


def _cells(name: str, values: Sequence[Any], digits: int) -> dict[str, Any]:
    present = [value for value in values if not missing(value) and value is not pd.NA]
    if name != "seed" and all(map(_is_number, present)):
        kind = "count" if name in COUNTS else "seconds" if name == "seconds" else "number"
        return {"kind": kind, "values": [_number(value, digits) for value in values]}
    write = status_name if name == "status" else setting
    texts = [None if missing(value) or value is pd.NA else visible(write(value)) for value in values]
    places: dict[str, int] = {}
    at = [-1 if text is None else places.setdefault(text, len(places)) for text in texts]
    return {"kind": "text", "words": list(places), "at": at}


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and abs(value) < LARGEST_INTEGER


def _number(value: Any, digits: int) -> int | float | None:
    if missing(value) or value is pd.NA:
        return None
    return float(f"{value:.{digits}g}") if isinstance(value, float) else int(value)
