"""Write data for the page's scripts as JSON inside a script element."""

from __future__ import annotations

import json
from typing import Any

from sweeps.artifacts.layout import SEARCH
from sweeps.report.data import ReportData
from sweeps.report.trials.columns import table_columns


def trials_data(data: ReportData) -> dict[str, Any]:
    """Return what the scripts of the table need; nothing for a study without trials."""
    if not data.results.everything:
        return {}
    return {"search": SEARCH, "columns": table_columns(data.findings)}


def script_json(value: Any) -> str:
    """Return a value as compact JSON in which no character can end the script element around it."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
